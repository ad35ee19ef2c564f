//! Requests for actions: on their way from the admin API to the supervisor, and until they are answered.

use hottap_core::lock::lock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::name::Name;
use super::operator::Operator;
use super::supervisor::Event;
use crate::admin::{Acted, By, Command, Outcome, Token, Verb};
use crate::outbox::secret;
use hottap_core::plain;
use hottap_core::tracer::Core;

/// The time after which a request is answered though what it asked for is still under way. Pausing and rolling back take
/// milliseconds; a load may take seconds, and the state is on `/api/tracers`. With more, operators' tools wait for nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests that wait for their answer. Each costs the supervisor a look at what is under way; the admin port has 64
/// connections.
const MAX_WAITING: usize = 64;
/// The least time between two lines in the log about requests that were refused: a stranger can send as many as they like.
const REFUSED_EVERY: Duration = Duration::from_secs(10);

/// The results of the requests, for `/metrics`.
const RESULTS: [&str; 5] = ["done", "under_way", "conflict", "unknown", "refused"];
const REFUSED: usize = 4;

/// The requests of one Hottap: where they go, and what came of them.
pub(super) struct Requesting {
    core: Arc<Core>,
    /// None if no configuration is read: then actions are off.
    operator: Option<Arc<Operator>>,
    /// The supervisor's inbox; none without a plugin dir.
    events: Option<Sender<Event>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    counts: [[AtomicU64; RESULTS.len()]; Verb::ALL.len()],
    waiting: AtomicUsize,
    refused: Mutex<Option<Instant>>,
    /// The error that keeps the token from being read, as the log was told last.
    unreadable: Mutex<Option<String>>,
}

/// One request. Dropping it without an answer tells the peer that Hottap was shut down.
pub(crate) struct Request {
    pub(super) verb: Verb,
    /// None for the actions that concern all tracers.
    pub(super) name: Option<Name>,
    by: By,
    answer: Option<oneshot::Sender<Acted>>,
    shared: Arc<Shared>,
}

impl Requesting {
    pub(super) fn new(core: Arc<Core>, operator: Option<Arc<Operator>>, events: Option<Sender<Event>>) -> Self {
        Self { core, operator, events, shared: Arc::default() }
    }

    /// The reason for which actions are off; none if they are on.
    pub(super) fn off(&self) -> Option<String> {
        if self.core.live.is_forked() {
            // A lock may be held for ever.
            return Some("this process was forked from the one that is traced".to_owned());
        }
        let Some(operator) = &self.operator else {
            return Some("this service reads no hottap.toml (Builder::config, HOTTAP_CONFIG)".to_owned());
        };
        let is_on = operator.admin().actions;
        let file = || operator.path().map_or_else(|| "hottap.toml".to_owned(), |path| path.display().to_string());
        (!is_on).then(|| format!("{} has no actions = true under [admin]", file()))
    }

    /// The operator's token. Reads it where it stands, so that a new one counts at once.
    pub(super) fn token(&self) -> Token {
        let source = self.operator.as_ref().and_then(|operator| operator.admin().token);
        let Some(source) = source else { return Token::None };
        let mut unreadable = lock(&self.shared.unreadable);
        match secret(&source) {
            Ok(token) => {
                *unreadable = None;
                Token::Is(token)
            }
            Err(fault) => {
                if unreadable.as_ref() != Some(&fault.message) {
                    tracing::warn!("no action is taken: {}; {}", fault.message, fault.what_to_do);
                    *unreadable = Some(fault.message);
                }
                Token::Unreadable
            }
        }
    }

    /// Hands an action to the supervisor.
    pub(super) fn act(&self, command: &Command, by: By) -> oneshot::Receiver<Acted> {
        let (answer, acted) = oneshot::channel();
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let Command { verb, tracer } = command;
        let name = tracer.as_deref().map(Name::new);
        let request = Request {
            verb: *verb,
            name: name.clone().flatten(),
            by,
            answer: Some(answer),
            shared: self.shared.clone(),
        };
        if self.shared.waiting.load(Ordering::Relaxed) > MAX_WAITING {
            request.answer(Outcome::Busy.into());
        } else if name == Some(None) {
            request.answer(Outcome::Unknown.into());
        } else if request.name.is_none() {
            self.act_on_all(request);
        } else {
            match &self.events {
                // After a shutdown it is dropped, and that is the answer.
                Some(events) => drop(events.send(Event::Act(request))),
                None => request.answer(Outcome::Unknown.into()),
            }
        }
        acted
    }

    /// The kill switch acts at once, whatever the supervisor does; that then lets the plugins work off what they have.
    fn act_on_all(&self, request: Request) {
        if self.core.live.is_disabled() && !self.core.live.is_paused() {
            let message = "tracing is off for good: by HOTTAP_DISABLE, or because Hottap was shut down".to_owned();
            return request.answer(Outcome::Conflict { message, what_to_do: "start the service again".into() }.into());
        }
        self.core.live.pause(request.verb == Verb::PauseAll);
        match &self.events {
            Some(events) => drop(events.send(Event::Act(request))),
            None => request.answer(Outcome::Done.into()),
        }
    }

    /// Counts a request that may not act, and logs it now and then.
    pub(super) fn refused(&self, verb: Verb, peer: Option<std::net::SocketAddr>, reason: &str) {
        self.shared.count(verb, REFUSED);
        if self.core.live.is_forked() {
            return;
        }
        let mut last = lock(&self.shared.refused);
        let now = Instant::now();
        if last.is_none_or(|last| now.saturating_duration_since(last) >= REFUSED_EVERY) {
            *last = Some(now);
            let peer = peer.map(tracing::field::display);
            tracing::warn!(action = verb.as_str(), peer, "an action is refused: {reason}");
        }
    }

    /// For each action and result, the number of requests; nothing where actions are off and none was asked for.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let counts = self.all_counts();
        let is_shown = self.off().is_none() || self.all_counts().any(|(_, _, count)| count > 0);
        counts.filter(move |_| is_shown)
    }

    fn all_counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        Verb::ALL.into_iter().zip(&self.shared.counts).flat_map(|(verb, counts)| {
            RESULTS
                .into_iter()
                .zip(counts)
                .map(move |(result, count)| (verb.as_str(), result, count.load(Ordering::Relaxed)))
        })
    }
}

impl Shared {
    fn count(&self, verb: Verb, result: usize) {
        let counts = Verb::ALL.into_iter().zip(&self.counts).find(|(known, _)| *known == verb);
        if let Some(count) = counts.and_then(|(_, counts)| counts.get(result)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Request {
    /// Answers, counts, and logs the one line of this action.
    pub(super) fn answer(mut self, acted: Acted) {
        let result = match &acted.outcome {
            Outcome::Done => 0,
            Outcome::UnderWay => 1,
            Outcome::Conflict { .. } => 2,
            Outcome::Unknown => 3,
            Outcome::Busy | Outcome::ShutDown => REFUSED,
        };
        self.shared.count(self.verb, result);
        let Self { verb, name, by, .. } = &self;
        let (tracer, peer) = (name.as_ref().map(Name::as_str), by.peer.map(tracing::field::display));
        let (action, proof, result) = (verb.as_str(), by.proof.as_str(), RESULTS.get(result).copied());
        let reason = match &acted.outcome {
            Outcome::Conflict { message, .. } => Some(message.as_str()),
            _ => None,
        };
        tracing::info!(action, tracer, peer, proof, result, state = acted.state, reason, "an operator's action");
        if let Some(answer) = self.answer.take() {
            // The peer may be gone.
            let _ = answer.send(acted);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Requests that wait for what is under way.
#[derive(Default)]
pub(super) struct Requests(Vec<Waiting>);

struct Waiting {
    request: Request,
    until: Instant,
    /// The latest error meanwhile.
    failure: Option<Outcome>,
}

impl Requests {
    pub(super) fn wait(&mut self, request: Request, now: Instant) {
        self.0.push(Waiting { request, until: now + PATIENCE, failure: None });
    }

    /// A generation of this tracer did not go live: that is the answer to requests that wait for one.
    pub(super) fn fail(&mut self, name: &Name, message: &str, what_to_do: &str) {
        for waiting in &mut self.0 {
            let waits_for_one = matches!(waiting.request.verb, Verb::Reload | Verb::Rollback | Verb::Enable);
            if waits_for_one && waiting.request.name.as_ref() == Some(name) {
                let (message, what_to_do) = (plain::message(message), plain::message(what_to_do).into());
                waiting.failure = Some(Outcome::Conflict { message, what_to_do });
            }
        }
    }

    /// Takes out those that can be answered: nothing of theirs is under way any more, or their time is over.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        is_under_way: impl Fn(&Request) -> bool,
    ) -> Vec<(Request, Outcome)> {
        let is_due = |waiting: &mut Waiting| waiting.until <= now || !is_under_way(&waiting.request);
        let outcome = |Waiting { request, failure, .. }: Waiting| {
            let so_far = if is_under_way(&request) { Outcome::UnderWay } else { Outcome::Done };
            (request, failure.unwrap_or(so_far))
        };
        self.0.extract_if(.., is_due).map(outcome).collect()
    }

    /// The time at which the next one has to be answered.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|waiting| waiting.until).min()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::admin::Proof;
    use hottap_core::live::{LiveCell, Rules};
    use hottap_core::propagate::TraceSettings;
    use hottap_core::rpc::{Level, Symbol};
    use hottap_core::tracer::Natives;

    fn ask(requesting: &Requesting, verb: Verb, tracer: Option<&str>) -> oneshot::Receiver<Acted> {
        let command = Command { verb, tracer: tracer.map(str::to_owned) };
        requesting.act(&command, By { peer: None, proof: Proof::Token })
    }

    #[track_caller]
    fn outcome(acted: &mut oneshot::Receiver<Acted>) -> Outcome {
        acted.try_recv().expect("an answer").outcome
    }

    fn core() -> Arc<Core> {
        Core::bare("desk", Vec::new())
    }

    #[test]
    fn a_service_without_a_configuration_or_a_plugin_dir_has_its_answers() {
        let requesting = Requesting::new(core(), None, None);
        assert!(requesting.off().is_some_and(|words| words.contains("reads no hottap.toml")));
        assert_eq!((requesting.token(), requesting.counts().count()), (Token::None, 0));
        assert!(matches!(outcome(&mut ask(&requesting, Verb::Pause, Some("a"))), Outcome::Unknown));
        assert_eq!(requesting.counts().count(), Verb::ALL.len() * RESULTS.len());
    }

    #[test]
    fn what_is_disabled_for_good_is_not_resumed() {
        let live = LiveCell::new(Rules { disabled: true, ..Rules::default() });
        let (name, natives) = (Symbol::intern("desk"), Natives::new(Vec::new()));
        let core = Core::new(name, TraceSettings::default(), live, natives, Level::Base);
        let requesting = Requesting::new(core, None, None);
        for verb in [Verb::PauseAll, Verb::ResumeAll] {
            assert!(matches!(outcome(&mut ask(&requesting, verb, None)), Outcome::Conflict { .. }));
        }
        assert!(requesting.core.live.is_disabled());
    }

    #[test]
    fn requests_that_wait_are_bounded() {
        let (events, inbox) = channel();
        let requesting = Requesting::new(core(), None, Some(events));
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| ask(&requesting, Verb::Reload, Some("a"))).collect();
        assert!(matches!(outcome(&mut ask(&requesting, Verb::Reload, Some("a"))), Outcome::Busy));
        drop(inbox);
        for mut acted in waiting {
            assert!(acted.try_recv().is_err(), "it was dropped without an answer");
        }
        assert_eq!(requesting.shared.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_request_waits_for_what_it_asked_for_and_not_longer_than_it_may() {
        let (events, inbox) = channel();
        let requesting = Requesting::new(core(), None, Some(events));
        let (mut requests, now) = (Requests::default(), Instant::now());
        let verbs = [Verb::Pause, Verb::Reload, Verb::Rollback];
        let mut answers = verbs.map(|verb| ask(&requesting, verb, Some("a")));
        while let Ok(Event::Act(request)) = inbox.try_recv() {
            requests.wait(request, now);
        }
        requests.fail(&Name::new("b").expect("valid"), "of another", "nothing");
        requests.fail(&Name::new("a").expect("valid"), "no", "mend it");
        let mut settle = |now, is_under_way: &dyn Fn(&Request) -> bool| {
            for (request, outcome) in requests.take_due(now, is_under_way) {
                request.answer(outcome.into());
            }
            requests.due()
        };
        assert_eq!(settle(now, &|_| true), Some(now + PATIENCE));
        assert!(answers.iter_mut().all(|acted| acted.try_recv().is_err()));
        assert_eq!(settle(now, &|request| request.verb != Verb::Reload), Some(now + PATIENCE));
        assert_eq!(settle(now + PATIENCE, &|_| true), None);
        let [pause, reload, rollback] = &mut answers;
        assert!(matches!(outcome(pause), Outcome::UnderWay), "a generation that does not go live is nothing to it");
        assert!(matches!(outcome(reload), Outcome::Conflict { message, .. } if message == "no"));
        assert!(matches!(outcome(rollback), Outcome::Conflict { .. }));
    }
}
