//! All CPU from rows to committed metrics, per call: merge, columns, the guest, flush and commit, on one thread.
//!
//! Not in it: writing the rows (see `call`), and the threads' sleeping and waking between batches, which depends on the
//! kernel more than on Hottap (see `layer`, which measures the whole process).

use std::net::UdpSocket;

use hottap::drive::{BUFFERS, Drive, OneIn};

use crate::figure::Figure;
use crate::rounds::interleave;
use crate::sdk::Sdk;
use crate::{clock, guests};

pub(crate) const BATCHES: &[&str] = &["red-metrics per call, batches of 256", "red-metrics per call, batches of 8"];
pub(crate) const SELECTION: &[&str] =
    &["red-metrics per call, 10 % of 256 selected", "red-metrics per row, 10 % of 256 selected"];
pub(crate) const INFLUXDB: &[&str] = &["influxdb per call, row to socket"];
pub(crate) const PYTHON: &[&str] = &["Python tracer against the OpenTelemetry SDK"];

/// Rows from one commit to the next: a service of 10,000 calls a second, with the default period.
const ROWS: usize = 10_240;
/// Rows that are made at once, at most. They are made outside of the measurement, and would else pass through all of
/// memory.
const CHUNK: usize = 2_048;
const ROUNDS: usize = 31;

/// CPU time per call that the tracer was handed: of `ROWS` rows in batches of a size, and of one commit.
fn cost(drive: &mut Drive, batch: usize, wanted: OneIn) -> f64 {
    let (mut calls, mut used) = (0, 0.0);
    let batches = (CHUNK / batch).min(BUFFERS);
    for _ in 0..ROWS / (batches * batch) {
        let rows = drive.rows(batches, batch, wanted);
        let before = clock::thread();
        calls += drive.finish(rows).expect("the tracer does not trap");
        used += clock::thread() - before;
    }
    let before = clock::thread();
    drive.commit().expect("the tracer does not trap");
    used += clock::thread() - before;
    assert!(calls >= (ROWS / wanted.0) as u64 && drive.series() >= 2, "{calls} calls, {} series", drive.series());
    used / calls as f64
}

/// Every row is in the tracer's scope.
pub(crate) fn batches() -> Result<Vec<Figure>, String> {
    let module = guests::rust("red-metrics")?;
    let (mut large, mut small) = (Drive::new(&module)?, Drive::new(&module)?);
    let rounds =
        interleave(ROUNDS, &mut [&mut || cost(&mut large, 256, OneIn(1)), &mut || cost(&mut small, 8, OneIn(1))]);
    Ok(vec![
        Figure::new(BATCHES[0], rounds.cost(0), "ns").at_most(25.0),
        Figure::new(BATCHES[1], rounds.cost(1), "ns").at_most(100.0),
    ])
}

/// One row in ten is: per call that it was handed, and per row that was merged.
pub(crate) fn selection() -> Result<Vec<Figure>, String> {
    let mut drive = Drive::new(&guests::rust("red-metrics")?)?;
    let rounds = interleave(ROUNDS, &mut [&mut || cost(&mut drive, 256, OneIn(10))]);
    let per_call = rounds.cost(0);
    // 26 of 256: the first, and every tenth after it.
    Ok(vec![Figure::new(SELECTION[0], per_call, "ns"), Figure::new(SELECTION[1], per_call * 26.0 / 256.0, "ns")])
}

/// The tracer influxdb, summed up per interval: CPU time of the whole process, that of the outbox's thread included, until
/// the datagram is in the socket's buffer.
pub(crate) fn influxdb() -> Result<Vec<Figure>, String> {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = socket.local_addr().map_err(|error| error.to_string())?;
    let mut drive = Drive::sending(&guests::rust("influxdb")?, "influx", address)?;
    let mut datagram = vec![0; 1 << 16];
    let mut interval = || {
        let (mut calls, mut used) = (0, 0.0);
        for _ in 0..ROWS / CHUNK {
            let rows = drive.rows(CHUNK / 256, 256, OneIn(1));
            let before = clock::process();
            calls += drive.finish(rows).expect("the tracer does not trap");
            used += clock::process() - before;
        }
        let before = clock::process();
        drive.commit().expect("the tracer does not trap");
        let bytes = socket.recv(&mut datagram).expect("a datagram for each interval");
        used += clock::process() - before;
        assert!(datagram[..bytes].starts_with(b"rpc,"), "line protocol");
        used / calls as f64
    };
    let rounds = interleave(ROUNDS, &mut [&mut interval]);
    Ok(vec![Figure::new(INFLUXDB[0], rounds.cost(0), "ns").at_most(40.0)])
}

/// The same tracer written in Python, against a call recorded with the SDK on the RPC's thread.
pub(crate) fn python() -> Result<Vec<Figure>, String> {
    const CALLS: usize = 4_000;
    let mut drive = Drive::new(&guests::python()?)?;
    let sdk = Sdk::new();
    let mut native = || {
        let before = clock::thread();
        for i in 0..CALLS {
            sdk.call(["shop.v1.Checkout/Place", "shop.v1.Pricing/Quote"][i % 2]);
        }
        (clock::thread() - before) / CALLS as f64
    };
    let rounds = interleave(ROUNDS, &mut [&mut || cost(&mut drive, 256, OneIn(1)), &mut native]);
    Ok(vec![Figure::new(PYTHON[0], rounds.ratio(0, 1), "ratio").at_most(1.0).of(rounds.cost(0), rounds.cost(1))])
}
