"""CloudFront and AWS WAF on 127.0.0.1, as far as stacks/edge.yaml uses them."""
