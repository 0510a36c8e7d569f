# The least that stores events and answers questions in an account of one's own. Events come from the edge Worker or
# from anything else that sends to the queue.

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "headwater", deployment = var.name }
  }
}

module "lake" {
  source = "../../modules/lake"

  name          = var.name
  projects_file = var.projects_file
}

module "event_queue" {
  source = "../../modules/event-queue"

  name         = var.name
  sender_users = ["a", "b"]
}

module "compactor" {
  source = "../../modules/compactor"

  name                             = var.name
  package_file                     = "${var.packages_folder}/compactor.zip"
  architecture                     = var.architecture
  bucket                           = module.lake.bucket
  bucket_arn                       = module.lake.bucket_arn
  lake_url                         = module.lake.lake_url
  queue_url                        = module.event_queue.queue_url
  queue_arn                        = module.event_queue.queue_arn
  queue_visibility_timeout_seconds = module.event_queue.visibility_timeout_seconds
}

module "query" {
  source = "../../modules/query"

  name                  = var.name
  package_file          = "${var.packages_folder}/query.zip"
  architecture          = var.architecture
  bucket                = module.lake.bucket
  bucket_arn            = module.lake.bucket_arn
  lake_url              = module.lake.lake_url
  projects_url          = module.lake.projects_url
  queue_url             = module.event_queue.queue_url
  queue_arn             = module.event_queue.queue_arn
  dead_letter_queue_arn = module.event_queue.dead_letter_queue_arn
}

module "observability" {
  source = "../../modules/observability"

  name                    = var.name
  queue_name              = module.event_queue.queue_name
  dead_letter_queue_name  = module.event_queue.dead_letter_queue_name
  compactor_function_name = module.compactor.function_name
  query_function_name     = module.query.function_name
  bucket                  = module.lake.bucket
}
