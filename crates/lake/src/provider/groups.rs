//! How files are dealt out to the partitions of a scan.

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;

/// One group a partition, and whether each group is in the files' order.
///
/// With at most as many files as partitions every file is a group of its own and keeps its order. With more, a group
/// reads several files one after the other, which is not in order; then the files are dealt out by size, the largest
/// first, and idle partitions take over files of busy ones.
pub(super) fn of(mut files: Vec<PartitionedFile>, partitions: usize) -> (Vec<FileGroup>, bool) {
    if files.len() <= partitions.max(1) {
        return (files.into_iter().map(|file| FileGroup::new(vec![file])).collect(), true);
    }
    files.sort_by_key(|file| std::cmp::Reverse(file.object_meta.size));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = vec![(0, Vec::new()); partitions.max(1)];
    for file in files {
        // Loads are few, so the least one is simply looked for.
        if let Some((load, group)) = groups.iter_mut().min_by_key(|(load, _)| *load) {
            *load += file.object_meta.size;
            group.push(file);
        }
    }
    (groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(files: &[u64], partitions: usize) -> (Vec<Vec<u64>>, bool) {
        let files = files.iter().map(|size| PartitionedFile::new(format!("{size}.parquet"), *size)).collect();
        let (groups, in_order) = of(files, partitions);
        (groups.iter().map(|group| group.iter().map(|file| file.object_meta.size).collect()).collect(), in_order)
    }

    #[test]
    fn few_files_keep_their_order_and_many_are_dealt_out_by_size() {
        assert_eq!(sizes(&[5, 9], 4), (vec![vec![5], vec![9]], true));
        assert_eq!(sizes(&[1, 9, 4, 4], 2), (vec![vec![9], vec![4, 4, 1]], false));
        assert_eq!(sizes(&[], 2), (vec![], true));
    }
}
