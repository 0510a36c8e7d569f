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
    bucket      = string
    bucket_arn  = string
    lake_url    = string
    kms_key_arn = optional(string)
  })

  validation {
    condition     = !var.create || can(regex("^s3://[^/]+/lake$", var.lake.lake_url))
    error_message = "The lake must be s3://<bucket>/lake, since that is what the function may write."
  }
}

variable "event_queue" {
  description = "The queue that the function drains: the module `event-queue`."
  type = object({
    queue_url                  = string
    queue_arn                  = string
    visibility_timeout_seconds = number
    kms_key_arn                = optional(string)
  })
}

variable "memory_mb" {
  description = "Memory of the function in MB. It also decides how much one commit holds, and how much processor the function has."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_mb >= 256 && var.memory_mb <= 10240
    error_message = "The memory must be between 256 and 10240 MB."
  }
}

variable "time_limit_seconds" {
  description = "How long one run of the function may take, in seconds."
  type        = number
  default     = 120

  validation {
    condition     = var.time_limit_seconds >= 30 && var.time_limit_seconds <= 900
    error_message = "The time limit must be between 30 and 900 seconds."
  }
}

variable "window_seconds" {
  description = "How long messages are gathered before the function is called, in seconds: fresher answers against fewer and larger commits."
  type        = number
  default     = 10

  validation {
    condition     = var.window_seconds >= 1 && var.window_seconds <= 300
    error_message = "The window must be between 1 and 300 seconds."
  }
}

variable "batch_size" {
  description = "Most messages that one call of the function brings; it fetches more by itself."
  type        = number
  default     = 1000

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000
    error_message = "The batch size must be between 1 and 10000."
  }
}

variable "maximum_concurrency" {
  description = "How many runs the queue starts at a time. Two commits of one project at a time only get in each other's way, so more help only with many projects."
  type        = number
  default     = 2

  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000
    error_message = "The maximum concurrency must be between 2, the least that AWS takes, and 1000."
  }
}

variable "further_receives" {
  description = "Whether a run goes on fetching messages after those that it was called with, while its time and memory allow."
  type        = bool
  default     = true
}

variable "drain_on_arrival" {
  description = "Whether messages that arrive call the function. Without it set drain_schedule: cheaper where events may be minutes late."
  type        = bool
  default     = true
}

variable "drain_schedule" {
  description = "A schedule on which the function drains the queue besides, such as `rate(5 minutes)`; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.drain_schedule == null || can(regex("^(rate|cron)\\(.+\\)$", var.drain_schedule))
    error_message = "A schedule is rate(...) or cron(...)."
  }
  validation {
    condition     = var.drain_on_arrival || var.drain_schedule != null
    error_message = "Nothing would ever drain the queue: set drain_schedule or drain_on_arrival."
  }
  validation {
    condition     = var.drain_schedule == null || var.further_receives
    error_message = "A drain on a schedule fetches its messages: set further_receives."
  }
}

variable "maintenance_schedule" {
  description = "When tables are kept tidy: small files merged, persons brought up to date, logs shortened, old files removed."
  type        = string
  default     = "rate(15 minutes)"

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.maintenance_schedule))
    error_message = "A schedule is rate(...) or cron(...)."
  }
}

variable "look_back_days" {
  description = "How many days back an event's id is looked for before it is stored."
  type        = number
  default     = 14

  validation {
    condition     = var.look_back_days >= 1 && var.look_back_days <= 400
    error_message = "The number of days must be between 1 and 400."
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
