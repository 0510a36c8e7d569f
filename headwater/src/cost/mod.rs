//! What a deployment on AWS would cost at list prices, from how it is used.
//!
//! ```text
//! Usage --figures, what each step takes--> quantities --Prices--> Estimate { lines, totals }
//! ```
//!
//! Nothing is asked of anybody's bill: free tiers, discounts and what else runs in the account are left out.

mod estimate;
mod figures;
mod prices;
mod usage;

pub use estimate::{BUDGET_PER_MILLION, Estimate, Line, estimate};
pub use prices::{Price, Prices};
pub use usage::{CollectorKind, Usage};
