//! Runs tests/phpt with PHP's own run-tests.php against the library that cargo has just built.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What php-config answers to `question`.
fn php_config(question: &str) -> String {
    let program = env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".into());
    let output = Command::new(program).arg(question).output().expect("php-config runs");
    String::from_utf8(output.stdout).expect("paths are UTF-8").trim().into()
}

/// PHP's test runner: Debian keeps one per API, PHP's own `make install` one in all.
fn run_tests() -> PathBuf {
    let (prefix, api) = (php_config("--prefix"), php_config("--phpapi"));
    let places = [format!("{prefix}/lib/php/{api}/build"), format!("{prefix}/lib/php/build")];
    let files = places.iter().map(|folder| Path::new(folder).join("run-tests.php"));
    files.into_iter().find(|file| file.exists()).expect("PHP's headers bring run-tests.php along")
}

/// The library: cargo puts it beside the test, or a folder above.
fn library() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let name = format!("{}wirewool_php{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let libraries = test.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    libraries.into_iter().find(|file| file.exists()).expect("cargo has built the library")
}

/// gen_stub.php writes into each header what it was made of.
#[test]
fn the_headers_are_made_of_the_stubs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for stub in fs::read_dir(folder.join("../../stubs")).expect("the stubs are there") {
        let stub = stub.expect("a file").path();
        let output = Command::new(php_config("--php-binary"))
            .args(["-n", "-r", "echo sha1_file($argv[1]);"])
            .arg(&stub)
            .output()
            .expect("PHP runs");
        let hash = String::from_utf8(output.stdout).expect("hexadecimal");
        let name = stub.file_name().and_then(|name| name.to_str()).expect("a name").replace(".stub.php", "_arginfo.h");
        let header = fs::read_to_string(folder.join("shim").join(&name)).expect("each stub has a header");
        assert!(header.contains(&format!("Stub hash: {hash} ")), "run shim/generate.sh: {name} is of an older stub");
    }
}

/// Runs all of tests/phpt, with more settings for each script.
fn run(name: &str, settings: &[String]) {
    let php = php_config("--php-binary");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/phpt");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let status = Command::new(&php)
        .arg("-n")
        .arg(run_tests())
        .args(["-q", "-n", "--show-diff", "-p", &php])
        .arg("-d")
        .arg(format!("extension={}", library().display()))
        .args(settings.iter().flat_map(|setting| ["-d", setting]))
        // Results land beside copies of the tests, not in the source tree.
        .arg("--temp-source")
        .arg(&tests)
        .arg("--temp-target")
        .arg(&scratch)
        .arg(&tests)
        .env("TEST_PHP_EXECUTABLE", &php)
        .env("NO_INTERACTION", "1")
        .env("REPORT_EXIT_STATUS", "1")
        .status()
        .expect("PHP runs");
    assert!(status.success(), "a .phpt test failed: see above");
}

/// With its optimizer and its compiler PHP runs other code, and keeps other things for whoever runs.
fn opcache() -> Vec<String> {
    let mut settings = Vec::new();
    let library = Path::new(&php_config("--extension-dir")).join("opcache.so");
    // Later releases have it built in.
    if library.exists() {
        settings.push(format!("zend_extension={}", library.display()));
    }
    let tracing = ["hot_loop", "hot_func", "hot_return", "hot_side_exit"].map(|what| format!("opcache.jit_{what}=2"));
    settings.extend(["opcache.enable_cli=1", "opcache.jit_buffer_size=32M", "opcache.jit=tracing"].map(String::from));
    settings.extend(tracing);
    settings
}

/// One after the other: PHP's runner puts the scripts beside their tests.
#[test]
fn phpt() {
    run("phpt", &[]);
    run("phpt_with_opcache", &opcache());
}
