//! The library alone: what comes with it, and what does not.

use std::process::Command;

#[test]
fn without_the_server_there_is_no_socket_no_runtime_and_no_database() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--no-default-features", "-e", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let (names, errors) = (String::from_utf8(tree.stdout).unwrap(), String::from_utf8_lossy(&tree.stderr));
    let names: Vec<&str> = names.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(tree.status.success() && names.contains(&"aws-lc-rs"), "{errors}");
    for absent in ["tokio", "axum", "hyper", "rusqlite", "clap", "rustls"] {
        assert!(!names.contains(&absent), "{absent} came in");
    }
}
