"""DEPLOY: the packages' rules into a running Splunk, Kibana or Sentinel, over the product's own API."""
