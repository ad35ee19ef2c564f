//! What the instances of version 0.1.0-draft that follow open streams may import for it, and what they export.

use wasmtime::component::{Component, ComponentExportIndex, Linker, Resource, ResourceType, TypedFunc};
use wasmtime::{Result, StoreContextMut};

use super::super::host::Host;
use hottap_core::collect::Moment;

/// The interface that a guest exports to follow streams, and the one that it imports for it.
const STREAMS: &str = "hottap:tracer/streams@0.1.0-draft";
const PROGRESS: &str = "hottap:tracer/progress@0.1.0-draft";

/// The moments of one call of `progress` are named by this handle; there is only one at a time, so it says no more.
pub(super) enum Handle {}
pub(super) const MOMENTS: u32 = 0;

/// The function that is exported to follow streams.
pub(super) type Progress = TypedFunc<(Resource<Handle>,), ()>;

/// By hand, as the imports of starters are: as a part of the world it would make every guest one that follows streams.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    let mut progress = linker.instance(PROGRESS)?;
    progress.resource("moments", ResourceType::host::<Handle>(), |_, _| Ok(()))?;
    progress.func_wrap("[method]moments.len", |store, (_,): (Resource<Handle>,)| {
        Ok((store.data().moments()?.len() as u32,))
    })?;
    progress.func_wrap("[method]moments.methods", |mut store, (_,): (Resource<Handle>,)| {
        let host = store.data_mut();
        let methods = host.moments()?.map(|moment| moment.method);
        host.handed.add(methods.iter().copied());
        Ok((methods,))
    })?;
    progress
        .func_wrap("[method]moments.call-ids", |store, _: (Resource<Handle>,)| column(store, |moment| moment.call))?;
    progress.func_wrap("[method]moments.kinds", |store, _: (Resource<Handle>,)| column(store, |moment| moment.kind))?;
    progress.func_wrap("[method]moments.times", |store, _: (Resource<Handle>,)| column(store, |moment| moment.time))?;
    progress.func_wrap("[method]moments.sizes", |store, _: (Resource<Handle>,)| column(store, |moment| moment.size))
}

fn column<T>(store: StoreContextMut<'_, Host>, value: impl Fn(&Moment) -> T) -> Result<(Vec<T>,)> {
    Ok((store.data().moments()?.map(value),))
}

/// Where a component exports `progress`, if it does.
pub(in super::super) fn progress_export(component: &Component) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, STREAMS)?;
    component.get_export_index(Some(&interface), "progress")
}
