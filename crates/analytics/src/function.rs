//! Scalar functions made of closures: how property access, intervals and persons get into a plan.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

type Body = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;

/// A function of rows. Two are the same only if they are the same closure, whatever their names.
struct Function {
    name: String,
    signature: Signature,
    returns: DataType,
    body: Arc<Body>,
}

/// Calls a closure on some columns. The name is for plans and logs only, so it may hold names of properties but never
/// their values.
pub(crate) fn call(
    name: impl Into<String>,
    arguments: Vec<Expr>,
    returns: DataType,
    body: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> Expr {
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    let function = Function { name: name.into(), signature, returns, body: Arc::new(body) };
    ScalarUDF::new_from_impl(function).call(arguments)
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        (self.body)(&arrays).map(ColumnarValue::Array)
    }
}

impl Function {
    fn address(&self) -> *const () {
        Arc::as_ptr(&self.body).cast()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.address() == other.address()
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.address().hash(state);
    }
}
