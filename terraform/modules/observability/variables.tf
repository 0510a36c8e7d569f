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

variable "queue_name" {
  description = "Name of the queue (output `queue_name` of `event-queue`)."
  type        = string
}

variable "dead_letter_queue_name" {
  description = "Name of the queue of dead letters (output `dead_letter_queue_name` of `event-queue`)."
  type        = string
}

variable "compactor_function_name" {
  description = "Name of the function that stores events (output `function_name` of `compactor`)."
  type        = string
}

variable "query_function_name" {
  description = "Name of the function that answers questions (output `function_name` of `query`)."
  type        = string
}

variable "bucket" {
  description = "Name of the lake's bucket (output `bucket` of `lake`)."
  type        = string
}

variable "queue_age_seconds" {
  description = "How old the oldest message may be, in seconds, before the alarm goes off."
  type        = number
  default     = 300

  validation {
    condition     = var.queue_age_seconds >= 60
    error_message = "The age must be at least 60 seconds: messages are gathered before they are stored."
  }
}

variable "alarm_actions" {
  description = "ARNs that an alarm tells, such as that of an SNS topic."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for action in var.alarm_actions : startswith(action, "arn:")])
    error_message = "Each action must be an ARN."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
