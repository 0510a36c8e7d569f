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

variable "lake" {
  description = "The bucket with the tables: the module `lake`."
  type = object({
    bucket = string
  })
}

variable "event_queue" {
  description = "The queues that are watched: the module `event-queue`."
  type = object({
    queue_name             = string
    dead_letter_queue_name = string
  })
}

variable "compactor" {
  description = "The function that stores events: the module `compactor`."
  type = object({
    function_name  = string
    log_group_name = string
  })
}

variable "query" {
  description = "The function that answers questions: the module `query`."
  type = object({
    function_name = string
  })
}

variable "collector" {
  description = "The function that takes events: the module `collector-lambda`; null where the collector is elsewhere."
  type = object({
    function_name = string
    api_id        = string
  })
  default = null
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

variable "quarantined_events" {
  description = "How many events may go to quarantine in an hour before the alarm goes off."
  type        = number
  default     = 100

  validation {
    condition     = var.quarantined_events >= 0
    error_message = "The number must not be negative."
  }
}

variable "slow_answer_seconds" {
  description = "How long one answer in twenty may take, in seconds, before the alarm goes off."
  type        = number
  default     = 10

  validation {
    condition     = var.slow_answer_seconds > 0 && var.slow_answer_seconds < 30
    error_message = "The time must be between 0 and 30 seconds, after which the API gives up."
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

variable "budget" {
  description = "What a month may cost in US dollars, and who is told of four fifths of it and of a forecast beyond it: addresses, or ARNs of SNS topics. With `tag`, a cost allocation tag that is active in the account, only what carries it counts. Null for none."
  type = object({
    dollars = number
    emails  = optional(list(string), [])
    topics  = optional(list(string), [])
    tag     = optional(object({ key = string, value = string }))
  })
  default = null

  validation {
    condition     = var.budget == null || try(var.budget.dollars > 0 && length(concat(var.budget.emails, var.budget.topics)) > 0, false)
    error_message = "A budget must be above 0 dollars and tell somebody."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
