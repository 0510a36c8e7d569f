output "databases" {
  description = "Names of the databases in the catalog, by project."
  value       = { for id, database in aws_glue_catalog_database.project : id => database.name }
}

output "workgroup" {
  description = "Name of Athena's workgroup."
  value       = one(aws_athena_workgroup.headwater[*].name)
}
