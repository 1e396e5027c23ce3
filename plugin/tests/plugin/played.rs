//! An API server that is played: it answers as the test says, also as a real one does only after minutes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use serde_json::{Value, json};

/// What is asked.
pub struct Asked {
    target: String,
    /// The token of the login.
    pub token: String,
}

impl Asked {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let query = self.target.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// What is answered.
pub enum Answer {
    /// This, with its code.
    Says(u16, Value),
    /// Nothing.
    Silence,
    /// A watch that stays open and tells nothing.
    Watch,
}

impl Answer {
    /// An error.
    pub fn error(code: u16) -> Self {
        Self::Says(
            code,
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no" }),
        )
    }

    /// A page of refreshes in this state, with the token of the next page.
    pub fn page(names: &[&str], state: &str, next: &str) -> Self {
        let items = names.iter().map(|name| {
            json!({ "metadata": { "name": name, "namespace": "shop", "uid": name, "resourceVersion": "1" },
                "spec": { "collectionName": "a" }, "status": { "observedGeneration": 1, "state": state } })
        });
        Self::Says(
            200,
            json!({ "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefreshList",
                "metadata": { "resourceVersion": "1", "continue": next }, "items": items.collect::<Vec<_>>() }),
        )
    }
}

/// Plays, and gives a kubeconfig in `folder` whose user is this.
pub fn serve(folder: &Path, user: &Value, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> PathBuf {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let answer = answer.clone();
            thread::spawn(move || answers(connection.unwrap(), &*answer));
        }
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
        "clusters": [{ "name": "a", "cluster": { "server": server } }], "users": [{ "name": "a", "user": user }],
    });
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// A folder for the test of this name.
pub fn folder(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ecrefresh-{test}-{}", std::process::id()))
}

fn answers(mut connection: TcpStream, answer: &dyn Fn(&Asked) -> Answer) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    loop {
        let lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let lines: Vec<String> = lines.collect();
        let Some(target) = lines.first().and_then(|request| request.split(' ').nth(1)) else { return };
        let token = lines.iter().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or_default();
        let asked = Asked { target: target.to_owned(), token: token.to_owned() };
        let said = match answer(&asked) {
            Answer::Silence => continue,
            Answer::Watch => {
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_owned()
            }
            Answer::Says(code, body) => {
                let body = body.to_string();
                let length = body.len();
                format!(
                    "HTTP/1.1 {code} Told\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                )
            }
        };
        if connection.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}
