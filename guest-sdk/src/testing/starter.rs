//! The harness of starters: makes one, lets calls start, and shows the token and the headers; it finishes no call.

use std::marker::PhantomData;

use serde::Serialize;

use super::call::{EPOCH, TestCall};
use super::headers::Headers;
use super::host::LogLine;
use super::world::World;
use crate::error::Error;
use crate::starter::{StartedCall, Starter};

/// Ids of calls that have none begin here, so that they are not those that [`Harness`](super::Harness) gives.
const FIRST_ID: u64 = 1 << 32;

/// How a harness of a starter is set up; [`start`](Self::start) makes the starter.
#[derive(Debug)]
#[must_use = "it does nothing until `start`"]
pub struct StarterSetup<S> {
    config: String,
    identity: Vec<(String, String)>,
    state: Option<Vec<u8>>,
    may_set: Vec<String>,
    starter: PhantomData<fn() -> S>,
}

impl<S: Starter> StarterSetup<S> {
    /// The manifest's `[config]`: a type that serde can serialize, such as `serde_json::json!({"b3": true})`.
    ///
    /// # Panics
    /// If it can't be written as JSON.
    #[track_caller]
    pub fn config(mut self, config: impl Serialize) -> Self {
        match serde_json::to_string(&config) {
            Ok(json) => self.config = json,
            Err(error) => panic!("a [config] is what JSON can hold: {error}"),
        }
        self
    }

    /// A fact about the service, such as `service.name`.
    pub fn identity(mut self, attribute: &str, value: &str) -> Self {
        self.identity.push((attribute.to_owned(), value.to_owned()));
        self
    }

    /// State that the tracer has saved and committed.
    pub fn saved_state(mut self, state: &[u8]) -> Self {
        self.state = Some(state.to_vec());
        self
    }

    /// A request header that the operator lets the starter set, beside those that propagate a trace.
    pub fn may_set(mut self, header: &str) -> Self {
        self.may_set.push(header.to_owned());
        self
    }

    /// Makes the starter.
    ///
    /// # Panics
    /// If the starter refuses.
    #[track_caller]
    #[must_use]
    pub fn start(self) -> StarterHarness<S> {
        match self.try_start() {
            Ok(harness) => harness,
            Err(error) => panic!("the starter refuses to start: {error}"),
        }
    }

    /// Makes the starter, or says why it refuses.
    ///
    /// # Errors
    /// What [`Starter::new`] returned.
    pub fn try_start(self) -> Result<StarterHarness<S>, Error> {
        let mut world = World::default();
        if let Some(state) = self.state {
            world.host.set_state(state);
        }
        let starter = world.make(&self.config, &self.identity, EPOCH, S::new)?;
        Ok(StarterHarness { starter, world, may_set: self.may_set, next_id: FIRST_ID })
    }
}

/// A host with one starter.
///
/// ```
/// use hottap_guest::testing::{Harness, StarterHarness, TestCall};
/// # use hottap_guest::{Call, Config, Error, StartedCall, Starter, Tracer};
/// # struct Tenants(Vec<u64>);
/// # impl Tracer for Tenants {
/// #     fn new(_: Config) -> Result<Self, Error> { Ok(Self(Vec::new())) }
/// #     fn finish_call(&mut self, call: &Call) { self.0.push(call.token()); }
/// # }
/// # struct ReadsTenant;
/// # impl Starter for ReadsTenant {
/// #     fn new(_: Config) -> Result<Self, Error> { Ok(Self) }
/// #     fn start(&self, call: &StartedCall) -> u64 {
/// #         call.header("x-tenant").and_then(|id| id.parse().ok()).unwrap_or(0)
/// #     }
/// # }
///
/// let mut starter = StarterHarness::<ReadsTenant>::start();
/// let started = starter.call(TestCall::server("shop.v1.Checkout/Place").header("x-tenant", "42"));
/// assert_eq!(started.token(), 42);
/// assert!(started.headers_set().is_empty());
///
/// let mut host = Harness::<Tenants>::start();
/// host.finish([started.into_call()]);
/// assert_eq!(host.tracer().0, [42]);
/// ```
#[derive(Debug)]
pub struct StarterHarness<S> {
    starter: S,
    world: World,
    may_set: Vec<String>,
    next_id: u64,
}

impl<S: Starter> StarterHarness<S> {
    /// Makes the starter without any configuration.
    ///
    /// # Panics
    /// If the starter refuses.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::setup().start()
    }

    /// Begins to set up a harness.
    pub fn setup() -> StarterSetup<S> {
        StarterSetup {
            config: "{}".to_owned(),
            identity: Vec::new(),
            state: None,
            may_set: Vec::new(),
            starter: PhantomData,
        }
    }

    /// A call starts. Of the made-up call the starter sees what is known by then, and the headers.
    pub fn call(&mut self, mut call: TestCall) -> Started {
        if call.id == 0 {
            call.id = self.next_id;
            self.next_id += 1;
        }
        let host = &mut self.world.host;
        let started = StartedCall {
            id: call.id,
            side: call.side.number(),
            method: host.symbols.hand_over(&call.method),
            callee: host.symbols.hand_over(&call.callee),
            protocol: call.protocol.number(),
            started: call.started,
            deadline: call.deadline,
            trace_id: call.trace_id,
            span_id: call.span_id,
            parent_span_id: call.parent_span_id,
            sampled: call.sampled,
        };
        host.headers = Some(Headers::new(call.side, std::mem::take(&mut call.headers), &self.may_set));
        let starter = &self.starter;
        call.token = self.world.enter(|| starter.start(&started));
        let headers_set = self.world.host.headers.take().map(Headers::into_set).unwrap_or_default();
        Started { call, headers_set }
    }

    /// The starter.
    pub fn starter(&self) -> &S {
        &self.starter
    }

    /// The lines that it logged when it was made.
    #[must_use]
    pub fn log(&self) -> &[LogLine] {
        &self.world.host.log
    }
}

/// A call that has started.
#[derive(Clone, Debug)]
#[must_use = "look at its token, or finish the call"]
pub struct Started {
    call: TestCall,
    headers_set: Vec<(String, String)>,
}

impl Started {
    /// What the starter returned.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.call.token
    }

    /// The headers that the starter added to the request: names in lower case, and values.
    #[must_use]
    pub fn headers_set(&self) -> &[(String, String)] {
        &self.headers_set
    }

    /// The call, with the token, to be finished in the tracer's [`Harness`](super::Harness).
    pub fn into_call(self) -> TestCall {
        self.call
    }
}
