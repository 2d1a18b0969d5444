//! Starts servers in turn, puts the same loads on all, and tells how they compare.

pub mod calls;
pub mod comparison;
pub mod plot;
pub mod report;
pub mod servers;
pub mod workloads;

/// Those of `all` that a list of names separated by commas asks for, in their own order.
///
/// # Errors
/// A name that is none of theirs.
fn named<T>(all: &'static [T], name: fn(&T) -> &str, wanted: &str) -> Result<Vec<&'static T>, String> {
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = wanted.iter().find(|wanted| !all.iter().any(|one| name(one) == **wanted)) {
        let names: Vec<&str> = all.iter().map(name).collect();
        return Err(format!("there is no {unknown}, but {}", names.join(", ")));
    }
    Ok(all.iter().filter(|one| wanted.contains(&name(one))).collect())
}
