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

variable "account_id" {
  description = "Id of the account of Cloudflare."
  type        = string

  validation {
    condition     = !var.create || can(regex("^[0-9a-f]{32}$", var.account_id))
    error_message = "The id of an account has 32 hexadecimal digits."
  }
}

variable "namespace_id" {
  description = "Id of the namespace of Workers KV with projects.json and the salts."
  type        = string
}

variable "queue_url" {
  description = "URL of the queue that events are sent to (output `queue_url` of `event-queue`)."
  type        = string
}

variable "queue_region" {
  description = "Region of the queue, where its URL does not name it; null takes it from there."
  type        = string
  default     = null
}

variable "domain" {
  description = "A domain of one's own for the Worker, in a zone of the account, such as `events.example.com`; null leaves it at workers.dev."
  type        = string
  default     = null
}

variable "requests_in_ten_seconds" {
  description = "How many requests of one project each of Cloudflare's places lets through in ten seconds, by the project's tier."
  type = object({
    small  = optional(number, 1000)
    medium = optional(number, 20000)
    large  = optional(number, 500000)
  })
  default = {}
}

variable "first_rate_limit" {
  description = "Number of the first of three counters of requests. Workers of one account that name the same count together."
  type        = number
  default     = 1001

  validation {
    condition     = var.first_rate_limit >= 1 && floor(var.first_rate_limit) == var.first_rate_limit
    error_message = "The number must be whole and at least 1."
  }
}

variable "worker_folder" {
  description = "The folder `infra/worker`, in which `make worker` left `dist/index.js` and `dist/headwater.wasm`."
  type        = string

  validation {
    condition     = !var.create || fileexists("${var.worker_folder}/dist/index.js") && fileexists("${var.worker_folder}/dist/headwater.wasm")
    error_message = "There is no built Worker in this folder: `make worker` builds it."
  }
}

variable "deploy" {
  description = "Whether `terraform apply` runs wrangler, which needs Node 22.12 or newer and a token in CLOUDFLARE_API_TOKEN. Without it the output `configuration` is for somebody else to deploy."
  type        = bool
  default     = true
}

variable "wrangler" {
  description = "The command that runs wrangler, in the folder of the Worker."
  type        = string
  default     = "npx wrangler"
}

variable "tags" {
  description = "Tags of everything that is made that can have some: nothing of Cloudflare's here can."
  type        = map(string)
  default     = {}
}
