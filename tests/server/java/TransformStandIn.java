package entrawatch;

import java.io.IOException;
import java.util.List;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.ToXContent;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentParser;
import org.elasticsearch.xpack.core.transform.action.PutTransformAction;

/**
 * The path that creates a transform. The module that runs transforms is not published; their configuration is
 * (x-pack-core), so one is read and checked by Elasticsearch's own classes, given back as they write it, and not kept.
 */
final class TransformStandIn extends BaseRestHandler {
    @Override
    public String getName() {
        return "stand_in_transform_put";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.PUT, "/_transform/{id}"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws IOException {
        PutTransformAction.Request put;
        try (XContentParser parser = request.contentParser()) {
            put = PutTransformAction.Request.fromXContent(parser, request.param("id"), false, TimeValue.MINUS_ONE);
        }
        ActionRequestValidationException fault = put.validate();
        if (fault != null) {
            throw new IllegalArgumentException(fault.getMessage());
        }
        return channel -> {
            XContentBuilder body = channel.newBuilder();
            put.getConfig().toXContent(body, ToXContent.EMPTY_PARAMS);
            channel.sendResponse(new RestResponse(RestStatus.OK, body));
        };
    }
}
