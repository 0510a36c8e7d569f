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
  description = "The bucket with the tables: the module `lake`."
  type = object({
    bucket       = string
    bucket_arn   = string
    lake_url     = string
    projects_url = string
    kms_key_arn  = optional(string)
  })

  validation {
    condition     = !var.create || can(regex("^s3://[^/]+/lake$", var.lake.lake_url))
    error_message = "The lake must be s3://<bucket>/lake, since that is what the function may read."
  }

  validation {
    condition     = !var.create || can(regex("^s3://[^/]+/config/projects.json$", var.lake.projects_url))
    error_message = "The projects must be s3://<bucket>/config/projects.json, since that is what the function may read."
  }
}

variable "event_queue" {
  description = "The queue that the function measures, and replays quarantine into: the module `event-queue`."
  type = object({
    queue_url             = string
    queue_arn             = string
    dead_letter_queue_arn = string
    kms_key_arn           = optional(string)
  })
}

variable "memory_mb" {
  description = "Memory of the function in MB. Half of it is for questions; it also decides how much processor the function has (1769 MB are one core)."
  type        = number
  default     = 3008

  validation {
    condition     = var.memory_mb >= 512 && var.memory_mb <= 10240
    error_message = "The memory must be between 512 and 10240 MB."
  }
}

variable "time_limit_seconds" {
  description = "How long an answer may take, in seconds. The API in front of the function waits for 30."
  type        = number
  default     = 30

  validation {
    condition     = var.time_limit_seconds >= 5 && var.time_limit_seconds <= 30
    error_message = "The time limit must be between 5 and 30 seconds."
  }
}

variable "reserved_concurrency" {
  description = "How many questions run at a time at most, a bound on cost; -1 for no bound of its own."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1
    error_message = "The number must be -1 or at least 1: 0 would switch the function off."
  }
}

variable "requests_per_second" {
  description = "How many requests a second the API lets through; more are answered 429."
  type        = number
  default     = 50

  validation {
    condition     = var.requests_per_second >= 1 && var.requests_per_second <= 10000
    error_message = "The number must be between 1 and 10000."
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
