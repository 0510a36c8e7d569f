# The Worker's configuration, and its deployment by wrangler. No provider is needed: Cloudflare's cannot upload a Wasm
# module beside a migration of Durable Objects (docs/decisions/0025).

locals {
  # What infra/worker/wrangler.toml says, with this deployment's values: a test compares the two.
  configuration = {
    name               = "${var.name}-edge"
    account_id         = var.account_id
    main               = "index.js"
    compatibility_date = "2026-11-01"
    no_bundle          = true
    workers_dev        = var.domain == null
    send_metrics       = false
    routes             = var.domain == null ? null : [{ pattern = var.domain, custom_domain = true }]

    rules = [{ type = "CompiledWasm", globs = ["*.wasm"], fallthrough = false }]

    vars = { for name, value in { SQS_QUEUE_URL = var.queue_url, SQS_REGION = var.queue_region } : name => value if value != null }

    kv_namespaces = [{ binding = "HEADWATER", id = var.namespace_id }]

    durable_objects = { bindings = [{ name = "WATCHERS", class_name = "Watchers" }] }
    migrations      = [{ tag = "v1", new_sqlite_classes = ["Watchers"] }]

    ratelimits = [for place, tier in ["small", "medium", "large"] : {
      name         = "RATE_${upper(tier)}"
      namespace_id = tostring(var.first_rate_limit + place)
      simple       = { limit = var.requests_in_ten_seconds[tier], period = 10 }
    }]

    triggers      = { crons = ["0 12 * * *"] }
    observability = { enabled = true }
  }

  written = jsonencode({ for name, value in local.configuration : name => value if value != null })
}

# Again when the code or the configuration has changed. The secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are put
# by hand and stay.
resource "terraform_data" "deployment" {
  count = var.create && var.deploy ? 1 : 0

  triggers_replace = [
    local.written,
    filesha256("${var.worker_folder}/dist/index.js"),
    filesha256("${var.worker_folder}/dist/headwater.wasm"),
  ]

  provisioner "local-exec" {
    working_dir = var.worker_folder
    command     = "printf '%s' \"$CONFIGURATION\" > dist/wrangler.json && exec ${var.wrangler} deploy --config dist/wrangler.json"
    environment = { CONFIGURATION = local.written, CLOUDFLARE_ACCOUNT_ID = var.account_id, WRANGLER_SEND_METRICS = "false" }
  }
}

# Apart from the deployment, which is made anew with each change: the Worker must not be deleted then.
resource "terraform_data" "worker" {
  count = var.create && var.deploy ? 1 : 0

  input = { name = local.configuration.name, account_id = var.account_id, folder = var.worker_folder, wrangler = var.wrangler }

  provisioner "local-exec" {
    when        = destroy
    working_dir = self.output.folder
    command     = "exec ${self.output.wrangler} delete ${self.output.name} --force"
    environment = { CLOUDFLARE_ACCOUNT_ID = self.output.account_id, WRANGLER_SEND_METRICS = "false" }
  }
}
