//! A request's body that may have to be sent again: what the first attempt takes of it is kept, up to a bound.

use hottap_core::lock::lock;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::outgoing::{BodyFault, BoxedBody};

/// Pieces that are kept: so that a body of a great many small ones does not cost more memory than its bytes say.
const MAX_PIECES: usize = 1024;

/// A body and what has been taken of it. One attempt at a time has its turn with it.
pub(super) struct Replay(Mutex<Kept>);

struct Kept {
    /// None once it has ended.
    source: Option<BoxedBody>,
    pieces: Vec<Bytes>,
    bytes: usize,
    max_bytes: usize,
    trailers: Option<HeaderMap>,
    /// Something of it is gone for good: there was too much, or it failed.
    lost: bool,
    /// Whose turn it is.
    turn: u64,
}

impl Replay {
    pub(super) fn new(source: BoxedBody, max_bytes: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Kept {
            source: Some(source),
            pieces: Vec::new(),
            bytes: 0,
            max_bytes,
            trailers: None,
            lost: false,
            turn: 0,
        })))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.0)
    }

    /// All of it can be sent once more.
    pub(super) fn is_whole(&self) -> bool {
        !self.kept().lost
    }

    /// Takes it back from whoever has the turn, if all of it can be sent once more. From here on nothing of it is taken
    /// until the next turn: the transport goes on with a body after an early answer, also where nobody waits for that
    /// any more, and what it took beyond the bound would be gone.
    pub(super) fn take_back(&self) -> bool {
        let mut kept = self.kept();
        kept.turn += u64::from(!kept.lost);
        !kept.lost
    }

    /// The next attempt's. Whoever had one before gets nothing more.
    pub(super) fn turn(self: &Arc<Self>) -> Turn {
        let mut kept = self.kept();
        kept.turn += 1;
        Turn { number: kept.turn, next: 0, over: false, replay: self.clone() }
    }
}

impl Kept {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(source) = &mut self.source else {
            return Poll::Ready(None);
        };
        let frame = ready!(source.as_mut().poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.keep(data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    self.trailers = Some(trailers.clone());
                    self.source = None;
                }
            }
            Some(Err(_)) => {
                self.lost = true;
                self.source = None;
            }
            None => self.source = None,
        }
        Poll::Ready(frame)
    }

    fn keep(&mut self, data: &Bytes) {
        if self.lost {
            return;
        }
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > self.max_bytes || self.pieces.len() == MAX_PIECES {
            self.lost = true;
            self.pieces = Vec::new();
        } else {
            self.pieces.push(data.clone());
        }
    }

    fn left(&self, next: usize) -> u64 {
        self.pieces.iter().skip(next).map(|piece| piece.len() as u64).sum()
    }
}

/// One attempt's turn at sending the body, from its beginning.
pub(super) struct Turn {
    replay: Arc<Replay>,
    number: u64,
    /// The next of the pieces that were kept.
    next: usize,
    over: bool,
}

impl Turn {
    pub(super) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let mut kept = self.replay.kept();
        if kept.turn != self.number {
            return Poll::Ready(Some(Err(BodyFault("the attempt was given up".into()))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(piece) = kept.pieces.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if kept.source.is_none() {
            self.over = true;
            return Poll::Ready(kept.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let frame = ready!(kept.poll(context));
        match &frame {
            // It is among those that were kept.
            Some(Ok(frame)) if frame.is_data() => self.next += 1,
            _ => self.over = true,
        }
        Poll::Ready(frame)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let kept = self.replay.kept();
        let ended = kept.source.as_ref().map_or(kept.trailers.is_none(), |source| source.is_end_stream());
        self.over || (kept.pieces.len() <= self.next && ended)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let kept = self.replay.kept();
        let left = kept.left(self.next);
        let mut hint = kept.source.as_ref().map_or_else(|| SizeHint::with_exact(0), |source| source.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint.set_lower(hint.lower().saturating_add(left));
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::{BodyExt, Full, StreamBody};
    use tokio_stream::iter;

    use super::*;
    use crate::client::outgoing::erase;

    fn pieces(texts: &'static [&'static str]) -> BoxedBody {
        let frames = texts.iter().map(|text| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(text.as_bytes()))));
        let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("1"))]);
        erase(StreamBody::new(iter(frames.chain([Ok(Frame::trailers(trailers))]).collect::<Vec<_>>())))
    }

    /// Takes so many frames; gives what they said.
    fn take(turn: &mut Turn, count: usize) -> Vec<String> {
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        while taken.len() < count {
            match turn.poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let text = frame.data_ref().map(|data| String::from_utf8_lossy(data).into_owned());
                    taken.push(text.unwrap_or_else(|| "trailers".into()));
                }
                Poll::Ready(Some(Err(error))) => taken.push(error.to_string()),
                Poll::Ready(None) => break,
                Poll::Pending => panic!("it is all there"),
            }
        }
        taken
    }

    #[test]
    fn each_turn_sends_all_of_it_however_far_the_last_has_come() {
        let replay = Replay::new(pieces(&["one", "two", "three"]), 100);
        for taken in 0..=4 {
            assert_eq!(take(&mut replay.turn(), taken).len(), taken);
            assert!(replay.is_whole());
        }
        assert_eq!(take(&mut replay.turn(), 9), ["one", "two", "three", "trailers"]);
    }

    #[test]
    fn who_had_a_turn_before_gets_nothing_more() {
        let replay = Replay::new(pieces(&["one", "two"]), 100);
        let mut before = replay.turn();
        assert_eq!(take(&mut before, 1), ["one"]);
        let mut now = replay.turn();
        assert_eq!(take(&mut before, 1), ["the attempt was given up"]);
        assert_eq!(take(&mut now, 9), ["one", "two", "trailers"]);
    }

    #[test]
    fn what_is_taken_back_waits_for_the_next_turn() {
        let replay = Replay::new(pieces(&["one", "two", "three"]), 3);
        let mut before = replay.turn();
        assert_eq!(take(&mut before, 1), ["one"]);
        assert!(replay.take_back());
        assert_eq!(take(&mut before, 1), ["the attempt was given up"]);
        let mut now = replay.turn();
        assert_eq!(take(&mut now, 9), ["one", "two", "three", "trailers"]);
        assert!(!replay.take_back(), "there was too much");
    }

    #[test]
    fn what_is_beyond_the_bound_is_sent_once() {
        let replay = Replay::new(pieces(&["one", "two", "three"]), 6);
        let mut turn = replay.turn();
        assert_eq!(take(&mut turn, 2), ["one", "two"]);
        assert!(replay.is_whole());
        assert_eq!(take(&mut turn, 9), ["three", "trailers"]);
        assert!(!replay.is_whole());
    }

    #[test]
    fn its_size_is_known_at_each_turn() {
        let replay = Replay::new(erase(Full::new(Bytes::from_static(b"twelve bytes"))), 100);
        for _ in 0..3 {
            let mut turn = replay.turn();
            assert_eq!(turn.size_hint().exact(), Some(12));
            assert!(!turn.is_end_stream());
            assert_eq!(take(&mut turn, 9), ["twelve bytes"]);
            assert!(turn.is_end_stream());
        }
        let empty = Replay::new(erase(http_body_util::Empty::<Bytes>::new().boxed()), 100);
        assert!(empty.turn().is_end_stream());
    }
}
