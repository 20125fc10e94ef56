variable "name" {
  description = "Name of the stack."
  type        = string
}

variable "packaged_template" {
  description = "What `sam package` wrote."
  type        = string
}

variable "artefact_bucket" {
  description = "The bucket that `sam package` uploaded to, in this region. The template goes there, too."
  type        = string
}

variable "parameters" {
  description = "Parameters of the template that differ from their defaults, by its own names."
  type        = map(string)
  default     = {}
}

variable "routes" {
  description = "What the authorizer asks for on each route, until `bonafide route set` changes it."
  type = list(object({
    method      = string
    path        = string
    requirement = string
  }))
  default = []

  validation {
    condition     = alltrue([for route in var.routes : contains(["off", "monitor", "token", "proof", "proof-once", "signed-request", "signed-request-once"], route.requirement)])
    error_message = "A requirement is off, monitor, token, proof, proof-once, signed-request or signed-request-once."
  }
}

variable "tags" {
  description = "Tags of the stack; CloudFormation gives them on to everything in it."
  type        = map(string)
  default     = {}
}
