//! A store whose puts a test has in its hands: to hold one up, or to do it wrongly.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

type Put =
    dyn Fn(Arc<dyn ObjectStore>, Path, PutPayload, PutOptions) -> BoxFuture<'static, Result<PutResult>> + Send + Sync;

struct Hooked {
    inner: Arc<dyn ObjectStore>,
    put: Box<Put>,
}

/// A store that asks `put` to do its puts.
pub fn hooked<F>(
    inner: Arc<dyn ObjectStore>,
    put: impl Fn(Arc<dyn ObjectStore>, Path, PutPayload, PutOptions) -> F + Send + Sync + 'static,
) -> Arc<dyn ObjectStore>
where
    F: Future<Output = Result<PutResult>> + Send + 'static,
{
    Arc::new(Hooked {
        inner,
        put: Box::new(move |store, path, payload, options| Box::pin(put(store, path, payload, options))),
    })
}

#[async_trait]
impl ObjectStore for Hooked {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        (self.put)(Arc::clone(&self.inner), location.clone(), payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}
