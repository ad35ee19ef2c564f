//! The same over a Unix socket.

use tokio::net::UnixStream;

use crate::house::House;
use crate::raw::Raw;
use crate::recorder::Recorder;

fn house(path: &std::path::Path) -> Result<House, hottap::server::BindError> {
    let served = Recorder::default();
    let bound = served.start("house").server().bind_unix(path)?;
    Ok(House::of(served, bound))
}

#[tokio::test]
async fn a_unix_socket_is_served_and_its_file_goes_with_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("house.sock");
    let server = house(&path).expect("binds");
    let mut raw = Raw::new(UnixStream::connect(&path).await.expect("connects"));
    raw.send("GET /ends HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let answer = raw.rest().await;
    assert!(answer.ends_with(&format!("unix:{} unix: false 0", path.display())), "{answer}");
    let call = server.served.one().await;
    assert_eq!(call.peer().to_string(), "unix:");
    assert_eq!(call.local().to_string(), format!("unix:{}", path.display()));
    server.close().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn what_a_dead_server_left_is_replaced_and_a_live_one_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("house.sock");
    // A listener that is dropped leaves its file, as a process that is killed does.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    assert!(path.exists());
    let server = house(&path).expect("takes its place");
    let error = house(&path).err().expect("somebody listens there");
    assert!(error.to_string().contains("house.sock"), "{error}");
    let mut raw = Raw::new(UnixStream::connect(&path).await.expect("still there"));
    raw.send("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(raw.rest().await.ends_with("hello"));
    server.close().await;
    std::fs::write(&path, "precious").expect("written");
    assert!(house(&path).is_err(), "what is no socket is not removed");
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), "precious");
}
