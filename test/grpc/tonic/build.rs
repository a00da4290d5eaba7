use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::var("ILUVATAR_PROTO_DIR")?);
    let descriptors = protox::compile(["iluvatar_rpc.proto"], [&folder])?;
    println!("cargo:rerun-if-env-changed=ILUVATAR_PROTO_DIR");
    println!("cargo:rerun-if-changed={}", folder.join("iluvatar_rpc.proto").display());
    tonic_prost_build::configure()
        .build_server(false)
        .type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .message_attribute(".", "#[serde(default)]")
        .compile_fds(descriptors)?;
    Ok(())
}
