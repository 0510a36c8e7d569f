variable "region" {
  description = "The region, such as `eu-central-1`."
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
  description = "Folder with collector.zip, compactor.zip and query.zip (`make lambdas`)."
  type        = string
}

variable "architecture" {
  description = "What the zips were built for: `arm64` or `x86_64`."
  type        = string
  default     = "arm64"
}
