output "verifier_api_url" {
  description = "Where apps ask for challenges and tokens."
  value       = aws_cloudformation_stack.bonafide.outputs["VerifierApiUrl"]
}

output "authorizer_arn" {
  description = "The Lambda authorizer, which every API Gateway of this account and region may invoke."
  value       = aws_cloudformation_stack.bonafide.outputs["AuthorizerArn"]
}

output "authorizer_invocation_uri" {
  description = "What an authorizer of an API of yours names."
  value       = "arn:${data.aws_partition.here.partition}:apigateway:${data.aws_region.here.name}:lambda:path/2015-03-31/functions/${aws_cloudformation_stack.bonafide.outputs["AuthorizerArn"]}/invocations"
}

output "root_public_key" {
  description = "The only key that relying parties trust."
  value       = aws_cloudformation_stack.bonafide.outputs["RootPublicKey"]
}

output "outputs" {
  description = "Every output of the template."
  value       = aws_cloudformation_stack.bonafide.outputs
}
