variable "region" {
  description = "The region, such as `eu-central-1`."
  type        = string
}

variable "name" {
  description = "Beginning of the names of everything that is made."
  type        = string
  default     = "headwater"
}

variable "projects_file" {
  description = "Path of projects.json: projects, and the hashes of their keys. The one here has two projects, whose keys open nothing until their hashes are replaced."
  type        = string
  default     = "projects.json"
}

variable "packages_folder" {
  description = "Folder with collector.zip, compactor.zip and query.zip (`make lambdas`)."
  type        = string
}

variable "domain" {
  description = "Where events are taken: a name, and the ARN of its certificate in us-east-1; null leaves it at CloudFront's own."
  type        = object({ name = string, certificate_arn = string })
  default     = null
}

variable "on_call" {
  description = "E-mail addresses that alarms and the budget are told to; each must be confirmed once."
  type        = list(string)

  validation {
    condition     = length(var.on_call) > 0
    error_message = "Somebody must be told."
  }
}

variable "budget_dollars" {
  description = "What a month may cost, in US dollars."
  type        = number
  default     = 100
}

variable "budget_by_tag" {
  description = "Whether only this deployment counts. Needs the cost allocation tag `deployment` to be active in the account, which it can be once it has been seen on a bill."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "How long logs are kept, in days."
  type        = number
  default     = 90
}
