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
    bucket      = string
    lake_url    = string
    project_ids = list(string)
    kms_key_arn = optional(string)
  })
}

variable "most_gigabytes_per_query" {
  description = "How many GB one question of Athena may read before it is stopped; a thousand cost some five dollars."
  type        = number
  default     = 100

  validation {
    condition     = var.most_gigabytes_per_query >= 0.01
    error_message = "Athena takes no less than 0.01 GB."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
