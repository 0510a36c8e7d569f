variable "region" {
  description = "The region of AWS, such as `eu-central-1`."
  type        = string
}

variable "name" {
  description = "Beginning of the names of everything that is made."
  type        = string
  default     = "headwater"
}

variable "projects_file" {
  description = "Path of projects.json: projects, and the hashes of their keys."
  type        = string
}

variable "packages_folder" {
  description = "Folder with compactor.zip, query.zip and publisher.zip (`make lambdas`)."
  type        = string
}

variable "cloudflare_account_id" {
  description = "Id of the account of Cloudflare."
  type        = string
}

variable "domain" {
  description = "Where events are taken, in a zone of the account of Cloudflare, such as `events.example.com`; null leaves it at workers.dev."
  type        = string
  default     = null
}
