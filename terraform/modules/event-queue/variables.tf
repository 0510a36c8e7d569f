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

variable "visibility_timeout_seconds" {
  description = "How long a message that is being stored stays hidden from others. AWS wants at least six times the time limit of the compactor."
  type        = number
  default     = 720

  validation {
    condition     = var.visibility_timeout_seconds >= 60 && var.visibility_timeout_seconds <= 43200
    error_message = "The visibility timeout must be between 60 and 43200 seconds."
  }
}

variable "retention_seconds" {
  description = "How long a message waits at most. The default, 14 days, is the longest that SQS has; it is also how far the lake looks back for duplicates."
  type        = number
  default     = 1209600

  validation {
    condition     = var.retention_seconds >= 86400 && var.retention_seconds <= 1209600
    error_message = "The retention must be between 86400 (a day) and 1209600 seconds (14 days)."
  }
}

variable "maximum_receives" {
  description = "How often a message is delivered before it becomes a dead letter. What cannot be used goes to quarantine at its third receive, so this only decides how long storage may fail: 100 receives last about three hours, 20 some twenty minutes."
  type        = number
  default     = 100

  validation {
    condition     = var.maximum_receives >= 20 && var.maximum_receives <= 1000
    error_message = "The maximum number of receives must be between 20 and 1000: with fewer, storage that fails for minutes makes dead letters of good messages."
  }
}

variable "kms_key_arn" {
  description = "ARN of a KMS key that encrypts the messages; null leaves that to a key of SQS."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "The KMS key must be given as an ARN."
  }
}

variable "sender_users" {
  description = "Names of IAM users that may send events and do nothing else, for a collector outside of AWS. Two, such as `a` and `b`, let keys be rotated without a gap."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for user in var.sender_users : can(regex("^[a-z0-9-]{1,20}$", user))])
    error_message = "A sender's name must have 1 to 20 of a-z, 0-9 and -."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
