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

variable "bucket_name" {
  description = "Name of the bucket; null makes it of the name and the account's number."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "This is not a name that S3 takes."
  }
}

variable "projects_file" {
  description = "Path of projects.json: projects, and the hashes of their keys. A change is in force 30 seconds after `terraform apply`."
  type        = string

  validation {
    condition     = !var.create || try(jsondecode(file(var.projects_file)).version, null) == 1 && can(jsondecode(file(var.projects_file)).projects[0].id)
    error_message = "There is no projects.json of version 1 with at least one project at this path."
  }
}

variable "keep_deleted_days" {
  description = "How many days an object that was deleted or overwritten can still be restored; 0 keeps none."
  type        = number
  default     = 7

  validation {
    condition     = var.keep_deleted_days >= 0 && var.keep_deleted_days <= 365 && floor(var.keep_deleted_days) == var.keep_deleted_days
    error_message = "The number of days must be whole and between 0 and 365."
  }
}

variable "destroy_with_events" {
  description = "Whether `terraform destroy` may delete a bucket that holds events."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "ARN of a KMS key that encrypts the bucket; null leaves that to a key of S3."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "The KMS key must be given as an ARN."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
