package entrawatch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.NamedXContentRegistry;
import org.elasticsearch.xcontent.ParseField;
import org.elasticsearch.xcontent.ToXContent;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentParser;
import org.elasticsearch.xpack.core.ilm.DeleteAction;
import org.elasticsearch.xpack.core.ilm.ForceMergeAction;
import org.elasticsearch.xpack.core.ilm.LifecycleAction;
import org.elasticsearch.xpack.core.ilm.LifecyclePolicy;
import org.elasticsearch.xpack.core.ilm.LifecycleSettings;
import org.elasticsearch.xpack.core.ilm.LifecycleType;
import org.elasticsearch.xpack.core.ilm.RolloverAction;
import org.elasticsearch.xpack.core.ilm.SetPriorityAction;
import org.elasticsearch.xpack.core.ilm.TimeseriesLifecycleType;
import org.elasticsearch.xpack.core.ilm.action.PutLifecycleRequest;
import org.elasticsearch.xpack.core.transform.TransformNamedXContentProvider;

/**
 * The two paths of index lifecycle management that set-up uses. The module that carries policies out is not published;
 * its policies are (x-pack-core), so a policy is read, checked and given back by Elasticsearch's own classes, and
 * nothing is done with it.
 */
public final class LifecycleStandIn extends Plugin implements ActionPlugin {
    private final Map<String, LifecyclePolicy> policies = new ConcurrentHashMap<>();

    @Override
    public List<Setting<?>> getSettings() {
        return List.of(LifecycleSettings.LIFECYCLE_NAME_SETTING);
    }

    @Override
    public List<NamedXContentRegistry.Entry> getNamedXContent() {
        List<NamedXContentRegistry.Entry> all = new ArrayList<>(new TransformNamedXContentProvider().getNamedXContentParsers());
        all.addAll(List.of(
            new NamedXContentRegistry.Entry(
                LifecycleType.class, new ParseField(TimeseriesLifecycleType.TYPE), (p, c) -> TimeseriesLifecycleType.INSTANCE),
            new NamedXContentRegistry.Entry(
                LifecycleAction.class, new ParseField(RolloverAction.NAME), RolloverAction::parse),
            new NamedXContentRegistry.Entry(
                LifecycleAction.class, new ParseField(SetPriorityAction.NAME), SetPriorityAction::parse),
            new NamedXContentRegistry.Entry(
                LifecycleAction.class, new ParseField(ForceMergeAction.NAME), ForceMergeAction::parse),
            new NamedXContentRegistry.Entry(LifecycleAction.class, new ParseField(DeleteAction.NAME), DeleteAction::parse)));
        return all;
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
        Settings settings, NamedWriteableRegistry writeables, RestController controller, ClusterSettings cluster,
        IndexScopedSettings index, SettingsFilter filter, IndexNameExpressionResolver names,
        Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(new Put(), new Get(), new TransformStandIn());
    }

    private final class Put extends BaseRestHandler {
        @Override
        public String getName() {
            return "stand_in_ilm_put";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.PUT, "/_ilm/policy/{name}"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws IOException {
            String name = request.param("name");
            PutLifecycleRequest put;
            try (XContentParser parser = request.contentParser()) {
                put = PutLifecycleRequest.parseRequest(new PutLifecycleRequest.Factory() {
                    @Override
                    public PutLifecycleRequest create(LifecyclePolicy policy) {
                        return new PutLifecycleRequest(TimeValue.MINUS_ONE, TimeValue.MINUS_ONE, policy);
                    }

                    @Override
                    public String getPolicyName() {
                        return name;
                    }
                }, parser);
            }
            put.getPolicy().validate();
            policies.put(name, put.getPolicy());
            return channel -> {
                XContentBuilder body = channel.newBuilder().startObject().field("acknowledged", true).endObject();
                channel.sendResponse(new RestResponse(RestStatus.OK, body));
            };
        }
    }

    private final class Get extends BaseRestHandler {
        @Override
        public String getName() {
            return "stand_in_ilm_get";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/_ilm/policy/{name}"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            String name = request.param("name");
            LifecyclePolicy policy = policies.get(name);
            return channel -> {
                XContentBuilder body = channel.newBuilder().startObject();
                if (policy != null) {
                    body.startObject(name).field("version", 1);
                    body.field("policy");
                    policy.toXContent(body, ToXContent.EMPTY_PARAMS);
                    body.endObject();
                }
                body.endObject();
                channel.sendResponse(new RestResponse(policy == null ? RestStatus.NOT_FOUND : RestStatus.OK, body));
            };
        }
    }
}
