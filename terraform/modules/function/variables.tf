variable "create" {
  description = "Whether anything is made at all."
  type        = bool
  default     = true
}

variable "name" {
  description = "Name of the function, and of its role."
  type        = string
}

variable "description" {
  description = "What the function does, in a sentence."
  type        = string
}

variable "package_file" {
  description = "Path of the function's zip, with the program `bootstrap` in it (`make lambdas`)."
  type        = string

  validation {
    condition     = !var.create || fileexists(var.package_file)
    error_message = "There is no file at this path: `make lambdas` builds it."
  }
}

variable "package" {
  description = "Name of the zip in the bucket, without `.zip`."
  type        = string
}

variable "architecture" {
  description = "What the zip was built for: `arm64` or `x86_64`."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture must be arm64 or x86_64."
  }
}

variable "bucket" {
  description = "Name of the bucket that holds the zip."
  type        = string
}

variable "statements" {
  description = "What the function may do besides writing its log and using the keys."
  type = list(object({
    sid       = string
    actions   = list(string)
    resources = list(string)
    condition = optional(map(map(string)))
  }))

  validation {
    condition     = alltrue([for action in flatten(var.statements[*].actions) : !endswith(action, "*")])
    error_message = "Actions must be named one by one."
  }
}

variable "environment" {
  description = "Environment variables of the function."
  type        = map(string)
}

variable "kms_key_arns" {
  description = "ARNs of the keys that encrypt what the function reads and writes, where they are not those of S3 and SQS."
  type        = list(string)
  default     = []
}

variable "memory_mb" {
  description = "Memory of the function in MB, which also decides how much processor it has."
  type        = number
}

variable "time_limit_seconds" {
  description = "How long one call may take, in seconds."
  type        = number
}

variable "reserved_concurrency" {
  description = "How many calls run at a time at most; -1 for no bound of its own."
  type        = number
  default     = -1
}

variable "log" {
  description = "What is logged, as `level` or `target=level,...`."
  type        = string
  default     = "info"
}

variable "log_retention_days" {
  description = "How long the log is kept, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}

variable "log_kms_key_arn" {
  description = "ARN of a KMS key that encrypts the log, whose policy lets CloudWatch Logs use it; null leaves that to a key of CloudWatch."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
