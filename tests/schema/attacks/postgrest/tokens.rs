//! Tokens as Supabase signs them: JSON Web Tokens with HMAC SHA-256 (RFC 7519, RFC 7515, RFC 2104).

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::attacks::target::fill;

pub const SECRET: &str = "a secret of this test, long enough for HS256";

/// Of the user with this id, signed in.
pub fn person(user: &str) -> Option<String> {
    Some(signed(&json!({ "sub": fill(user), "role": "authenticated", "aud": "authenticated" })))
}

pub fn admin() -> Option<String> {
    person("{admin}")
}

pub fn both() -> Option<String> {
    person("{both}")
}

pub fn stranger() -> Option<String> {
    person("{stranger}")
}

/// Of a dashboard's backend.
pub fn service() -> Option<String> {
    Some(signed(&json!({ "role": "service_role" })))
}

pub fn signed(claims: &Value) -> String {
    signed_as(&json!({ "alg": "HS256", "typ": "JWT" }), claims, SECRET)
}

pub fn signed_as(header: &Value, claims: &Value, secret: &str) -> String {
    let text =
        format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let signature = hmac_sha256(secret.as_bytes(), text.as_bytes());
    format!("{text}.{}", base64url(&signature))
}

fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = [0; 64];
    match secret.len() <= key.len() {
        true => key[..secret.len()].copy_from_slice(secret),
        false => key[..32].copy_from_slice(&Sha256::digest(secret)),
    }
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.to_vec()
}

pub fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = bits >> (18 - 6 * place) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

#[test]
fn a_token_is_signed_as_the_standard_says() {
    // RFC 4231, test case 2.
    let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
    assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    assert_eq!(mac[28..], [0x64, 0xec, 0x38, 0x43]);
    assert_eq!(base64url(b"\xfb\xff"), "-_8");
    assert_eq!(base64url(b"abcd"), "YWJjZA");
}
