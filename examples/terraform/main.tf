# An example: Bonafide, and an HTTP API and a REST API of one's own behind its authorizer.

variable "packaged_template" {
  type = string
}

variable "artefact_bucket" {
  type = string
}

variable "backend_invoke_arn" {
  description = "Invoke ARN of the Lambda function that answers."
  type        = string
}

module "bonafide" {
  source            = "./module"
  name              = "orders-attestation"
  packaged_template = var.packaged_template
  artefact_bucket   = var.artefact_bucket
  tags              = { project = "orders" }
  parameters = {
    Stage            = "prod"
    TokenAudience    = "orders"
    EnableGuardedApi = "false"
  }
  routes = [
    { method = "GET", path = "/orders", requirement = "token" },
    { method = "*", path = "/*", requirement = "proof" },
  ]
}

# --- An HTTP API: cheaper, and can only say 403 ------------------------------------------------------------------------
resource "aws_apigatewayv2_api" "orders" {
  name          = "orders"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_authorizer" "bonafide" {
  api_id                            = aws_apigatewayv2_api.orders.id
  name                              = "bonafide"
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = module.bonafide.authorizer_invocation_uri
  authorizer_payload_format_version = "2.0"
  enable_simple_responses           = true
  authorizer_result_ttl_in_seconds  = 0 # a proof is good for one request
}

resource "aws_apigatewayv2_integration" "orders" {
  api_id                 = aws_apigatewayv2_api.orders.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.backend_invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "orders" {
  api_id             = aws_apigatewayv2_api.orders.id
  route_key          = "GET /orders"
  target             = "integrations/${aws_apigatewayv2_integration.orders.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.bonafide.id
}

resource "aws_apigatewayv2_stage" "orders" {
  api_id      = aws_apigatewayv2_api.orders.id
  name        = "$default"
  auto_deploy = true
}

# --- A REST API: says what an app can do when it is refused -----------------------------------------------------------
resource "aws_api_gateway_rest_api" "orders" {
  name = "orders"
  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_authorizer" "bonafide" {
  rest_api_id                      = aws_api_gateway_rest_api.orders.id
  name                             = "bonafide"
  type                             = "REQUEST"
  authorizer_uri                   = module.bonafide.authorizer_invocation_uri
  identity_source                  = ""
  authorizer_result_ttl_in_seconds = 0
}

resource "aws_api_gateway_resource" "orders" {
  rest_api_id = aws_api_gateway_rest_api.orders.id
  parent_id   = aws_api_gateway_rest_api.orders.root_resource_id
  path_part   = "orders"
}

resource "aws_api_gateway_method" "orders" {
  rest_api_id   = aws_api_gateway_rest_api.orders.id
  resource_id   = aws_api_gateway_resource.orders.id
  http_method   = "GET"
  authorization = "CUSTOM"
  authorizer_id = aws_api_gateway_authorizer.bonafide.id
}

resource "aws_api_gateway_integration" "orders" {
  rest_api_id             = aws_api_gateway_rest_api.orders.id
  resource_id             = aws_api_gateway_resource.orders.id
  http_method             = aws_api_gateway_method.orders.http_method
  integration_http_method = "POST"
  type                    = "AWS_PROXY"
  uri                     = var.backend_invoke_arn
}

resource "aws_api_gateway_gateway_response" "refused" {
  rest_api_id   = aws_api_gateway_rest_api.orders.id
  response_type = "ACCESS_DENIED"
  status_code   = "401"
  response_parameters = {
    "gatewayresponse.header.Content-Type"     = "'application/problem+json'"
    "gatewayresponse.header.WWW-Authenticate" = "context.authorizer.www_authenticate"
  }
  response_templates = {
    "application/json" = file("${path.module}/refusal.json")
  }
}

# A stage serves a copy of its API. Each part that may change is in the trigger, or a route that was open stays open.
resource "aws_api_gateway_deployment" "orders" {
  rest_api_id = aws_api_gateway_rest_api.orders.id
  triggers = {
    redeployment = sha1(jsonencode([
      aws_api_gateway_authorizer.bonafide,
      aws_api_gateway_resource.orders,
      aws_api_gateway_method.orders,
      aws_api_gateway_integration.orders,
      aws_api_gateway_gateway_response.refused,
    ]))
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "orders" {
  rest_api_id   = aws_api_gateway_rest_api.orders.id
  deployment_id = aws_api_gateway_deployment.orders.id
  stage_name    = "prod"
}
