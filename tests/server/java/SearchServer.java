import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** One Elasticsearch node on loopback, with the modules below its home; ends when its standard input does. */
public final class SearchServer {
    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]).toAbsolutePath();
        LogConfigurator.configureESLogging();
        LogConfigurator.registerErrorListener();
        Settings.Builder settings = Settings.builder()
            .put("path.home", home)
            .put("path.data", Path.of(args[1]).toAbsolutePath())
            .put("path.logs", Path.of(args[1]).toAbsolutePath().resolve("logs"))
            .put("node.name", "test")
            .put("cluster.name", "entrawatch-test")
            .put("network.host", "127.0.0.1")
            .put("http.port", args[2])
            .put("http.max_content_length", "4mb")
            .put("transport.port", "0")
            .put("discovery.type", "single-node")
            // a nearly full disk of the machine is not what is tested
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), home.resolve("config"), () -> "test");
        LogConfigurator.configureWithoutConfig(environment.settings());
        PluginsLoader plugins = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir()), Set.of(), Map.of());
        Node node = new Node(environment, plugins);
        node.start();
        while (System.in.read() >= 0) {
            // whoever started us is still there
        }
        node.close();
        System.exit(0);
    }
}
