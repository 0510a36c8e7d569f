mock_provider "aws" {}

variables {
  name = "headwater"
  lake = {
    bucket      = "lake-bucket"
    lake_url    = "s3://lake-bucket/lake"
    project_ids = ["shop", "mobile-app"]
  }
}

run "each_project_has_a_database_with_the_tables_of_the_lake" {
  assert {
    condition     = output.databases == { "mobile-app" = "headwater_mobile_app", shop = "headwater_shop" }
    error_message = "A database is missing, or has a name that Hive does not take."
  }
  assert {
    condition = sort(keys(aws_glue_catalog_table.table)) == sort(flatten([for id in var.lake.project_ids :
    [for table in ["events", "quarantine", "identities", "kept_out", "ledger", "persons", "sequences", "activity"] : "${id}/${table}"]]))
    error_message = "A table is missing."
  }
}

run "athena_and_spark_read_the_log_where_the_table_lies" {
  assert {
    condition     = one(aws_glue_catalog_table.table["shop/events"].storage_descriptor).location == "s3://lake-bucket/lake/projects/shop/events/"
    error_message = "The table is elsewhere."
  }
  assert {
    condition     = aws_glue_catalog_table.table["shop/events"].parameters["table_type"] == "DELTA" && aws_glue_catalog_table.table["shop/events"].parameters["spark.sql.sources.provider"] == "delta"
    error_message = "The table is taken for something else than Delta."
  }
  assert {
    condition     = aws_glue_catalog_table.table["shop/events"].partition_keys[*].name == tolist(["month"]) && length(aws_glue_catalog_table.table["shop/persons"].partition_keys) == 0
    error_message = "The partition is another."
  }
  assert {
    condition     = !contains(one(aws_glue_catalog_table.table["shop/events"].storage_descriptor).columns[*].name, "month") && contains(one(aws_glue_catalog_table.table["shop/events"].storage_descriptor).columns[*].name, "event_id")
    error_message = "A column is missing, or there twice."
  }
  assert {
    condition     = one(one(aws_athena_workgroup.headwater[0].configuration).engine_version).selected_engine_version == "Athena engine version 3"
    error_message = "This Athena does not read Delta."
  }
}

run "projects_that_a_database_cannot_tell_apart_are_refused" {
  command = plan
  variables {
    lake = {
      bucket      = "lake-bucket"
      lake_url    = "s3://lake-bucket/lake"
      project_ids = ["mobile-app", "mobile_app"]
    }
  }
  expect_failures = [aws_glue_catalog_table.table]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = length(aws_glue_catalog_table.table) == 0 && output.workgroup == null
    error_message = "Something was made."
  }
}
