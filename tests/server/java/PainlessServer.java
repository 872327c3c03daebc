import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.ingest.common.IngestCommonPlugin;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.painless.PainlessPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.script.mustache.MustachePlugin;
import org.elasticsearch.transport.Netty4Plugin;

/** One node on loopback that runs Painless and ingest pipelines; ends when its standard input does. */
public final class PainlessServer {
    private static final class Embedded extends Node {
        Embedded(Environment environment, Collection<Class<? extends Plugin>> plugins) {
            super(environment, plugins, false);
        }
    }

    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]).toAbsolutePath();
        Settings settings = Settings.builder()
            .put("path.home", home)
            .put("path.data", Path.of(args[1]).toAbsolutePath())
            .put("path.logs", Path.of(args[1]).toAbsolutePath().resolve("logs"))
            .put("node.name", "test")
            .put("cluster.name", "entrawatch-painless")
            .put("network.host", "127.0.0.1")
            .put("http.type", "netty4")
            .put("transport.type", "netty4")
            .put("http.port", args[2])
            .put("transport.port", "0")
            .put("discovery.type", "single-node")
            .put("script.max_compilations_rate", "10000/1m")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "test");
        Node node = new Embedded(
            environment,
            List.of(Netty4Plugin.class, IngestCommonPlugin.class, PainlessPlugin.class, MustachePlugin.class));
        node.start();
        while (System.in.read() >= 0) {
            // whoever started us is still there
        }
        node.close();
        System.exit(0);
    }
}
