//! Sets the weights of the mix for `--streaming-ratio`.

use crate::config::RequestConfig;
use crate::error::Reason;
use crate::units::within;

/// The resolution of a ratio: a ten-thousandth.
const RATIO_PARTS: u128 = 10_000;

/// The limit of the sum of weights, above which they are rounded.
const WEIGHT_SUM_MAX: u128 = 1_000_000_000;

/// Gives streams `ratio` of the weight of all chat requests. Light requests keep their share, and kinds on the same
/// side keep their proportions. Kinds that end with no weight are removed.
pub fn set_streaming_ratio(requests: &mut Vec<RequestConfig>, ratio: f64) -> Result<(), Reason> {
    within(Some(ratio), &ratio.to_string(), &(0.0..=1.0))?;
    let weight_of = |side: Option<bool>| -> u128 {
        let chosen = requests.iter().filter(|request| request.call.stream() == side);
        chosen.map(|request| u128::from(request.weight)).sum()
    };
    let (stream, plain) = (weight_of(Some(true)), weight_of(Some(false)));
    let parts = (ratio * RATIO_PARTS as f64).round() as u128;
    if stream + plain == 0 {
        return Err(Reason::new("the profile has no chat request"));
    }
    let missing = match (stream, plain) {
        (0, _) if parts > 0 => Some("streaming"),
        (_, 0) if parts < RATIO_PARTS => Some("non-streaming"),
        _ => None,
    };
    if let Some(missing) = missing {
        let what = format!("`{ratio}`: the profile has no {missing} chat request that could get this share");
        return Err(Reason::new(what).hint("write a profile of your own with one"));
    }
    // One side may be empty; its factor must not make the other weights 0.
    let (stream_unit, plain_unit) = (stream.max(1), plain.max(1));
    let exact: Vec<u128> = requests
        .iter()
        .map(|request| {
            let weight = u128::from(request.weight);
            match request.call.stream() {
                None => weight * RATIO_PARTS * stream_unit * plain_unit,
                Some(true) => weight * parts * (stream + plain) * plain_unit,
                Some(false) => weight * (RATIO_PARTS - parts) * (stream + plain) * stream_unit,
            }
        })
        .collect();
    for (request, weight) in requests.iter_mut().zip(reduced(&exact)) {
        request.weight = weight;
    }
    requests.retain(|request| request.weight > 0);
    Ok(())
}

/// Returns the same proportions in the smallest whole numbers, rounded only if those are still too large.
fn reduced(weights: &[u128]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let sum: u128 = weights.iter().sum::<u128>() / divisor;
    let fit = |weight: u128| match sum > WEIGHT_SUM_MAX {
        true => (weight / divisor * WEIGHT_SUM_MAX / sum).max(u128::from(weight > 0)),
        false => weight / divisor,
    };
    // At most WEIGHT_SUM_MAX, which fits.
    weights.iter().map(|weight| fit(*weight) as u32).collect()
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lengths::Lengths;
    use crate::workload::{Call, Chat, Prompts};
    use proptest::prelude::*;

    fn request(weight: u32, stream: Option<bool>) -> RequestConfig {
        let call = match stream {
            None => Call::Light,
            Some(stream) => Call::Chat(Chat {
                stream,
                max_tokens: Lengths::fixed(1),
                models: vec!["m".into()],
                prompts: Prompts::List(vec!["p".into()]),
                ..Chat::default()
            }),
        };
        RequestConfig {
            name: format!("{stream:?}{weight}"),
            weight,
            arrivals: None,
            headers: Vec::new(),
            sent: Vec::new(),
            call,
            prompts_file: None,
            dataset: None,
            has_limit: true,
            timeout: 1,
            connect_timeout: 1,
            first_token_timeout: None,
            idle_timeout: None,
            goodput: Default::default(),
            place: Default::default(),
        }
    }

    fn weights(mix: &[(u32, Option<bool>)], ratio: f64) -> Result<Vec<u32>, String> {
        let mut requests: Vec<RequestConfig> = mix.iter().map(|(w, s)| request(*w, *s)).collect();
        set_streaming_ratio(&mut requests, ratio).map_err(|reason| reason.what)?;
        Ok(requests.iter().map(|request| request.weight).collect())
    }

    #[test]
    fn light_requests_keep_their_share() {
        let mix = [(70, Some(false)), (20, Some(true)), (10, None)];
        assert_eq!(weights(&mix, 0.5), Ok(vec![9, 9, 2]));
        assert_eq!(weights(&mix, 1.0), Ok(vec![9, 1]));
        assert_eq!(weights(&mix, 0.0), Ok(vec![9, 1]));
    }

    #[test]
    fn a_ratio_that_needs_a_missing_kind_is_refused() {
        assert_eq!(weights(&[(3, Some(true)), (1, None)], 1.0), Ok(vec![3, 1]));
        assert!(
            weights(&[(3, Some(true))], 0.5)
                .unwrap_err()
                .contains("no non-streaming")
        );
        assert!(
            weights(&[(3, Some(false))], 0.5)
                .unwrap_err()
                .contains("no streaming")
        );
        assert!(weights(&[(3, None)], 0.0).unwrap_err().contains("no chat"));
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert!(weights(&[(3, Some(true))], ratio).unwrap_err().contains("` is "));
        }
    }

    proptest! {
        #[test]
        fn the_share_of_streams_is_the_ratio_and_light_requests_keep_theirs(
            mix in proptest::collection::vec((1u32..=10_000, proptest::option::of(any::<bool>())), 1..64),
            parts in 1u32..10_000,
        ) {
            let mut mix = mix;
            mix.extend([(5, Some(true)), (7, Some(false))]);
            let share_of = |list: &[RequestConfig], side| {
                let sum = |f: &dyn Fn(&&RequestConfig) -> bool| -> f64 {
                    list.iter().filter(f).map(|r| f64::from(r.weight)).sum()
                };
                sum(&|r| r.call.stream() == side) / sum(&|_| true)
            };
            let mut requests: Vec<RequestConfig> = mix.iter().map(|(w, s)| request(*w, *s)).collect();
            let light = share_of(&requests, None);
            set_streaming_ratio(&mut requests, f64::from(parts) / 10_000.0).unwrap();
            prop_assert_eq!(requests.len(), mix.len());
            prop_assert!((share_of(&requests, None) - light).abs() < 1e-4);
            let stream = share_of(&requests, Some(true));
            prop_assert!((stream - (1.0 - light) * f64::from(parts) / 10_000.0).abs() < 1e-4);
        }
    }
}
