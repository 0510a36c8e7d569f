variable "create" {
  description = "Whether anything is made at all."
  type        = bool
  default     = true
}

variable "name" {
  description = "Name of the API."
  type        = string
}

variable "description" {
  description = "What the API is for, in a few words."
  type        = string
}

variable "function_name" {
  description = "Name of the function that answers every request."
  type        = string
}

variable "invoke_arn" {
  description = "ARN by which API Gateway calls the function."
  type        = string
}

variable "requests_per_second" {
  description = "How many requests a second the API lets through; more are answered 429."
  type        = number
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
