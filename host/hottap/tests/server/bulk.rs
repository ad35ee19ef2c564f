//! Bodies that are larger than the memory that they take: generated, passed through, counted.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;

use crate::apart::{self, assert_grown_by_at_most, resident};
use crate::house::{Client, House, client, pieces};

const GIB: u64 = 1 << 30;

async fn up(client: &Client, house: &House, size: u64) {
    let url = format!("http://{}/read", house.address());
    let response = client.request(Request::post(url).body(pieces(size)).expect("a request")).await.expect("a response");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), Bytes::from(size.to_string()));
}

async fn down(client: &Client, house: &House, size: u64) {
    let url = format!("http://{}/down/{size}", house.address());
    let request = Request::get(url).body(pieces(0)).expect("a request");
    let mut body = client.request(request).await.expect("a response").into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.expect("no error").data_ref().map_or(0, |data| data.len() as u64);
    }
    assert_eq!(length, size);
}

async fn both_ways(http2: bool, size: u64) {
    let house = House::start(|server| server).await;
    let client = client(http2);
    // What is allocated once is allocated now.
    up(&client, &house, 16 << 20).await;
    down(&client, &house, 16 << 20).await;
    let before = resident();
    let began = std::time::Instant::now();
    up(&client, &house, size).await;
    let between = began.elapsed();
    down(&client, &house, size).await;
    println!("{} GiB up in {between:?}, down in {:?}", size / GIB, began.elapsed() - between);
    assert_grown_by_at_most(before, 16 << 20);
    let calls = house.served.finished(4).await;
    assert_eq!((calls[2].stats().received().bytes, calls[3].stats().sent().bytes), (size, size));
    drop(client);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_passes_each_way_over_http1_with_memory_flat() {
    if apart::run("bulk::a_large_body_passes_each_way_over_http1_with_memory_flat") {
        return;
    }
    both_ways(false, 10 * GIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_passes_each_way_over_http2_with_memory_flat() {
    if apart::run("bulk::a_large_body_passes_each_way_over_http2_with_memory_flat") {
        return;
    }
    // Ten would take longer than a minute here.
    both_ways(true, 2 * GIB).await;
}
