//! A client of a worker by tonic, as the clients of the original are.
//!
//! `iluvatar-tonic-client HOST:PORT`; then a command as a line of JSON on its input for each answer on its output. See `../../tools/client-process.ts`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tonic::codec::CompressionEncoding;
use tonic::metadata::{MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

pub mod rpc {
    tonic::include_proto!("iluvatar_rpc");
}

use rpc::iluvatar_worker_client::IluvatarWorkerClient;
use rpc::*;

type Client = IluvatarWorkerClient<Channel>;
type Failure = Box<dyn std::error::Error>;

const LARGEST: usize = 64 * 1024 * 1024;

#[derive(Clone, Deserialize)]
struct Command {
    method: String,
    message: Value,
    timeout_ms: u64,
    cancel_after_ms: u64,
    metadata: BTreeMap<String, String>,
    gzip: bool,
    copies: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address = std::env::args().nth(1).ok_or("usage: iluvatar-tonic-client HOST:PORT")?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut output = tokio::io::stdout();
    while let Some(line) = lines.next_line().await? {
        let command: Command = serde_json::from_str(&line)?;
        let calls: Vec<_> = (0..command.copies)
            .map(|_| tokio::spawn(answer(channel.clone(), command.clone())))
            .collect();
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            answers.push(call.await?);
        }
        output.write_all(format!("{}\n", Value::from(answers)).as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

async fn answer(channel: Channel, command: Command) -> Value {
    let mut client = Client::new(channel).max_decoding_message_size(LARGEST).accept_compressed(CompressionEncoding::Gzip);
    if command.gzip {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    let called = call(&mut client, &command);
    let outcome = if command.cancel_after_ms > 0 {
        // A future that is dropped resets its stream.
        tokio::time::timeout(Duration::from_millis(command.cancel_after_ms), called)
            .await
            .unwrap_or_else(|_| Err(Status::new(Code::Cancelled, "cancelled here")))
    } else {
        called.await
    };
    match outcome {
        Ok(message) => json!({ "message": message }),
        Err(status) => {
            let class = status.metadata().get("iluvatar-error-class").and_then(|value| value.to_str().ok());
            json!({ "code": status.code() as i32, "error": status.message(), "error_class": class.unwrap_or("") })
        }
    }
}

async fn call(client: &mut Client, command: &Command) -> Result<Value, Status> {
    macro_rules! methods {
        ($($method:ident($message:ident)),* $(,)?) => {
            match command.method.as_str() {
                $(stringify!($method) => {
                    let message: $message = serde_json::from_value(command.message.clone()).map_err(unusable)?;
                    let answer = client.$method(request(message, command)?).await?;
                    serde_json::to_value(answer.into_inner()).map_err(unusable)
                })*
                other => Err(unusable(format!("no method {other}"))),
            }
        };
    }
    methods!(
        ping(PingRequest),
        prewarm(PrewarmRequest),
        invoke(InvokeRequest),
        invoke_async(InvokeAsyncRequest),
        invoke_async_check(InvokeAsyncLookupRequest),
        register(RegisterRequest),
        health(HealthRequest),
        status(StatusRequest),
        clean(CleanRequest),
        list_registered_funcs(ListFunctionRequest),
        est_invoke_time(EstInvokeRequest),
    )
}

fn request<T>(message: T, command: &Command) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    if command.timeout_ms > 0 {
        request.set_timeout(Duration::from_millis(command.timeout_ms));
    }
    for (name, value) in &command.metadata {
        let key = MetadataKey::from_str(name).map_err(unusable)?;
        request.metadata_mut().insert(key, MetadataValue::from_str(value).map_err(unusable)?);
    }
    Ok(request)
}

/// For a command that makes no call: a defect of the test.
fn unusable(why: impl std::fmt::Display) -> Status {
    Status::new(Code::Unknown, format!("unusable command: {why}"))
}
