variable "create" {
  description = "Whether anything is made at all."
  type        = bool
  default     = true
}

variable "name" {
  description = "Beginning of the names of everything that is made, such as `headwater`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "The name must have 3 to 32 of a-z, 0-9 and -, begin with a letter and not end with -."
  }
}

variable "package_file" {
  description = "Path of the function's zip, with the program `bootstrap` in it (`make lambdas`)."
  type        = string

  validation {
    condition     = !var.create || fileexists(var.package_file)
    error_message = "There is no file at this path: `make lambdas` builds it."
  }
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

variable "lake" {
  description = "The bucket with projects.json, which must tell EventBridge of new objects: the module `lake`."
  type = object({
    bucket       = string
    bucket_arn   = string
    projects_url = string
    kms_key_arn  = optional(string)
  })

  validation {
    condition     = !var.create || can(regex("^s3://[^/]+/config/projects.json$", var.lake.projects_url))
    error_message = "The projects must be s3://<bucket>/config/projects.json, since that is what the function may read."
  }
}

variable "cloudflare" {
  description = "Where the Worker reads projects.json: the module `collector-cloudflare`."
  type = object({
    account_id   = string
    namespace_id = string
  })
}

variable "token_parameter" {
  description = "Name of the parameter in SSM (a SecureString) with a token of Cloudflare that may read and write the account's Workers KV. It is made beside Terraform, so that no state has it."
  type        = string

  validation {
    condition     = can(regex("^/[A-Za-z0-9_./-]+$", var.token_parameter))
    error_message = "The name must begin with a slash."
  }
}

variable "token_kms_key_arn" {
  description = "ARN of the KMS key that encrypts the parameter; null for the one of SSM."
  type        = string
  default     = null
}

variable "schedule" {
  description = "How often the edge's projects.json is compared with the bucket's besides at each change, should word of one be lost."
  type        = string
  default     = "rate(1 hour)"

  validation {
    condition     = can(regex("^(rate|cron)\\(", var.schedule))
    error_message = "The schedule must be rate(...) or cron(...)."
  }
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
