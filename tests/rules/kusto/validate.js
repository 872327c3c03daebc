// Questions on stdin, one JSON object a line; what Kusto.Language says of each query on stdout, one a line.
// First line: {"folder": where node_modules stands, "tables": {name: {column: type}}}; then {"name": …, "query": …}.
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');

const [setup, ...questions] = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
const folder = path.join(setup.folder, 'node_modules', '@kusto', 'language-service-next');
// the package is made for browsers: its two scripts share one global scope
for (const file of ['bridge.min.js', 'Kusto.Language.Bridge.min.js']) {
  vm.runInThisContext(fs.readFileSync(path.join(folder, file), 'utf8'), file);
}
const { Symbols, GlobalState, KustoCode } = Kusto.Language;

const described = (columns) => '(' + Object.entries(columns).map(([name, type]) => `['${name}']: ${type}`).join(', ') + ')';
const tables = Object.entries(setup.tables).map(([name, columns]) => new Symbols.TableSymbol.$ctor7(name, described(columns), null));
const database = new Symbols.DatabaseSymbol.$ctor1('workspace', System.Array.init(tables, Symbols.Symbol), false);
const globals = GlobalState.Default.WithDatabase(database);

for (const { name, query } of questions) {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  const found = code.GetDiagnostics();
  const diagnostics = [];
  for (let i = 0; i < found.Count; i++) {
    const { Code, Severity, Start, Length, Message } = found.getItem(i);
    diagnostics.push({ code: Code, severity: Severity, at: query.substr(Start, Length), message: Message });
  }
  // strings that are compared with numbers: the service refuses them, the binder does not
  const walk = Kusto.Language.Syntax.SyntaxElement.WalkNodes;
  const typed = (node) => node && node.ResultType && node.ResultType.Name;
  walk(code.Syntax, (node) => {
    const types = [typed(node.Left), typed(node.Right)];
    if (node.Left && node.Right && node.Right.Expressions) walk(node.Right, (item) => types.push(typed(item)));
    if (types.includes('string') && types.some((type) => ['int', 'long', 'real', 'decimal'].includes(type))) {
      diagnostics.push({ code: 'string-and-number', severity: 'Error', at: node.toString(), message: types.join() });
    }
  });
  const columns = {};
  const result = code.ResultType && code.ResultType.Columns;
  for (let i = 0; result && i < result.Count; i++) columns[result.getItem(i).Name] = result.getItem(i).Type.Name;
  console.log(JSON.stringify({ name, diagnostics, columns }));
}
