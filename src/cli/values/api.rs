//! Names of APIs.

use crate::api::Api;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Returns a parser for the name of an API, as documents have it.
pub fn api_name() -> impl TypedValueParser<Value = Api> {
    let names = PossibleValuesParser::new(Api::ALL.map(|api| api.row().name));
    names.try_map(|name| Api::from_name(&name).ok_or("not the name of an API"))
}
