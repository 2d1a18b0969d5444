//! Compiles shim/ against the headers of the PHP that php-config names.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-env-changed=PHP_CONFIG");

    let includes: Vec<PathBuf> =
        php_config("--includes").split_whitespace().map(|flag| flag.trim_start_matches("-I").into()).collect();
    check_build(&includes);

    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    cc::Build::new()
        .files(["shim/context.c", "shim/exit.c", "shim/module.c", "shim/saved.c", "shim/shim.c", "shim/values.c"])
        .includes(includes)
        .define("SWOOLE_API_VERSION", "\"4.8.13\"")
        .define("WIREWOOL_CRATE_VERSION", format!("\"{version}\"").as_str())
        .opt_level(2)
        // A function that this PHP does not have would otherwise show only when the library is loaded.
        .flag("-Werror=implicit-function-declaration")
        .flag("-fvisibility=hidden")
        .flag_if_supported("-Wno-unused-parameter")
        .flag_if_supported("-Wno-sign-compare")
        .compile("wirewool_shim");

    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") {
        println!("cargo:rustc-cdylib-link-arg=-undefined");
        println!("cargo:rustc-cdylib-link-arg=dynamic_lookup");
    } else {
        // PHP unloads its extensions before its process ends; signal handlers are still in force then.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

/// What `php-config` answers to `question`.
fn php_config(question: &str) -> String {
    let program = env::var("PHP_CONFIG").unwrap_or_else(|_| "php-config".into());
    let output = Command::new(&program).arg(question).output().unwrap_or_else(|error| {
        panic!(
            "cannot run {program}: {error}. Install PHP's headers (Debian: php-dev), or name php-config in PHP_CONFIG"
        )
    });
    assert!(output.status.success(), "{program} {question} failed");
    String::from_utf8(output.stdout).expect("paths are UTF-8").trim().into()
}

/// Refuses a PHP that the shim is not made for, in fewer words than the compiler would.
fn check_build(includes: &[PathBuf]) {
    let number: u32 = php_config("--vernum").parse().expect("a version number");
    assert!(number >= 80200, "Wirewool needs PHP 8.2 or later, php-config belongs to {}", php_config("--version"));
    let config = includes.iter().map(|folder| folder.join("php_config.h")).find(|file| file.exists());
    let main = includes.iter().map(|folder| folder.join("main/php_config.h")).find(|file| file.exists());
    let Some(file) = config.or(main) else { panic!("php_config.h is in none of {includes:?}: install PHP's headers") };
    println!("cargo:rerun-if-changed={}", file.display());
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let zts = text.lines().any(|line| line.trim() == "#define ZTS 1");
    assert!(!zts, "Wirewool needs a PHP without thread safety (NTS), php-config belongs to a ZTS build");
}
