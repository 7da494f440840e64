//! Which machine this is, as a hash that does not tell its name.

use crate::model::{Availability, Fingerprint, Missing};

/// Names that machines have before they are given one.
const NAMELESS: [&str; 3] = ["", "(none)", "localhost"];

/// The machine by the text of `/etc/machine-id`, else by its host name.
///
/// The id is made at the installation and stays, but copies of one image may share
/// it, and containers often have none or that of their image. A host name is a worse
/// sign: a container gets a fresh one each time it is made.
pub(super) fn fingerprint(
    id: Result<String, String>,
    name: Result<String, String>,
) -> Availability<String> {
    let id = id.ok().filter(|id| is_id(id));
    let name = name.ok().filter(|name| !NAMELESS.contains(&name.as_str()));
    let fingerprint = id.or(name).map(|text| Fingerprint::of(&text).to_string());
    Availability::of(fingerprint, || {
        let reason = "/etc/machine-id holds no id, and the host has no name";
        let remedy = "make one with systemd-machine-id-setup, or name the host";
        Missing::unavailable(reason, Some(remedy))
    })
}

/// Whether a text has the form of machine-id(5): while an image waits for its first
/// boot, another word stands there.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn found(id: &str, name: &str) -> Option<String> {
        let fingerprint = fingerprint(Ok(id.to_owned()), Ok(name.to_owned()));
        fingerprint.measured().cloned()
    }

    #[test]
    fn the_id_counts_and_the_name_stands_in() {
        let by_id = found(ID, "build-host");
        assert_eq!(by_id, Some(Fingerprint::of(ID).to_string()));
        assert_eq!(by_id, found(ID, "another"));
        let by_name = Some(Fingerprint::of("build-host").to_string());
        for no_id in ["", "uninitialized", &ID[1..]] {
            assert_eq!(found(no_id, "build-host"), by_name, "{no_id:?}");
        }
    }

    #[test]
    fn it_tells_neither_the_id_nor_the_name() {
        for text in [found(ID, ""), found("", "build-host")] {
            let text = text.unwrap();
            assert_eq!(text.len(), 16);
            assert!(!ID.contains(&text) && !text.contains("build"), "{text}");
        }
    }

    #[test]
    fn a_machine_without_either_is_not_known() {
        for name in NAMELESS {
            assert_eq!(found("", name), None, "{name:?}");
        }
        let unread = || Err("cannot read it".to_owned());
        let missing = fingerprint(unread(), unread()).missing().cloned().unwrap();
        assert!(missing.in_words().contains("machine-id"), "{missing:?}");
    }
}
