//! The store: where a card of this host is kept, and found again while it is true.
//!
//! A directory in the user's cache holds one file a state of a host, named by a
//! fingerprint of the facts that bear on what a spawn costs. A name is a hint where to
//! look and proves nothing: what a file says of itself decides, so that a card that
//! was copied from another machine is not taken for this one's. Only regular files are
//! opened, no symbolic link is followed, and what others than the user and root may write
//! to is not believed. What a card is, is the caller's to say.

mod files;
mod found;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{Document, Host, Stored};
use crate::report::{self, Format, ReportError, Shown};

pub use found::{Found, Outdated};

/// The directory within the user's cache.
const DIRECTORY: &str = "forktax";

/// Why a card cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nowhere to keep it.
    #[error(
        "neither XDG_CACHE_HOME nor HOME names a directory by its absolute path, so that there is \
         no place to keep cards in: set one of them, or export the card to a file"
    )]
    NoPlace,
    /// The document is none.
    #[error("the document is no card, and only cards are kept")]
    NoCard,
    /// It cannot be written as JSON.
    #[error(transparent)]
    Render(#[from] ReportError),
    /// The directory or the file cannot be written.
    #[error(
        "cannot keep the card as {}: {why}; set XDG_CACHE_HOME to a directory that can be \
         written to",
        .path.display()
    )]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
}

/// The cards of a user.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    user: u32,
    is_card: fn(&Document) -> bool,
}

impl Store {
    /// The store of the effective user, who is given: `$XDG_CACHE_HOME/forktax`, else
    /// `$HOME/.cache/forktax`. Nothing is created before something is kept.
    ///
    /// # Errors
    /// [`StoreError::NoPlace`].
    pub fn of_user(user: u32, is_card: fn(&Document) -> bool) -> Result<Self, StoreError> {
        let variable = |name| std::env::var_os(name);
        Self::below(variable("XDG_CACHE_HOME"), variable("HOME"), user, is_card)
    }

    /// The same for these values of the two variables. A path that is not absolute is
    /// to be ignored, says the XDG Base Directory Specification.
    fn below(
        cache: Option<OsString>,
        home: Option<OsString>,
        user: u32,
        is_card: fn(&Document) -> bool,
    ) -> Result<Self, StoreError> {
        let absolute = |path: Option<OsString>| {
            let path = path.map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let cache = absolute(cache).or_else(|| absolute(home).map(|home| home.join(".cache")));
        let cache = cache.ok_or(StoreError::NoPlace)?;
        Ok(Self {
            directory: cache.join(DIRECTORY),
            user,
            is_card,
        })
    }

    /// Keeps a card under the facts of its host, in place of an older one.
    ///
    /// Nobody sees half of it: it is written beside its place and then put there, so
    /// that of two that are kept at once the later stays.
    ///
    /// # Errors
    /// All of [`StoreError`] but [`StoreError::NoPlace`].
    pub fn save(&self, document: &Document) -> Result<PathBuf, StoreError> {
        if !(self.is_card)(document) {
            return Err(StoreError::NoCard);
        }
        let bytes = report::render(
            &Stored::from(document.clone()),
            Format::Json,
            &Shown::default(),
        )?;
        let path = self.place(&document.host);
        match files::replace(&self.directory, &path, &bytes, self.user) {
            Ok(()) => Ok(path),
            Err(why) => Err(StoreError::Write { path, why }),
        }
    }

    /// Looks for a card of this host.
    pub fn find(&self, host: &Host) -> Found {
        let place = self.place(host);
        match self.read(&place) {
            Read::Nothing => self.nearest(host),
            read => self.judge(place, read, host),
        }
    }

    /// The file of a host in its present state.
    fn place(&self, host: &Host) -> PathBuf {
        let name = format!("card-{}.json", host.fingerprint());
        self.directory.join(name)
    }

    /// What to make of the file in a host's own place.
    fn judge(&self, path: PathBuf, read: Read, host: &Host) -> Found {
        match read {
            Read::Nothing => self.nothing(),
            Read::Failed(why) => Found::Unreadable { path, why },
            Read::OtherSchema { found, known } => Found::Stale {
                path,
                why: Outdated::Schema { found, known },
            },
            Read::Card(document) if document.host.fingerprint() == host.fingerprint() => {
                Found::Found { path, document }
            }
            // Its name is this host's, but its facts are not: copied, or edited.
            Read::Card(document) => Found::of_another_state(path, *document, host),
        }
    }

    /// The newest card of this machine in another state; else the newest of another
    /// machine; else what cannot be read.
    fn nearest(&self, host: &Host) -> Found {
        let (mut cards, mut failed) = (Vec::new(), Vec::new());
        for path in self.files() {
            match self.read(&path) {
                Read::Nothing => {}
                Read::Card(document) => cards.push((path, document)),
                Read::OtherSchema { found, known } => failed.push(Found::Stale {
                    path,
                    why: Outdated::Schema { found, known },
                }),
                Read::Failed(why) => failed.push(Found::Unreadable { path, why }),
            }
        }
        let same = |document: &Document| found::is_same_machine(&document.host, host);
        let nearest = cards.into_iter().max_by_key(|(path, document)| {
            let when = document.run.started_unix_s;
            (same(document), when, path.clone())
        });
        match nearest {
            Some((path, document)) => Found::of_another_state(path, *document, host),
            None => failed.into_iter().next().unwrap_or_else(|| self.nothing()),
        }
    }

    fn nothing(&self) -> Found {
        Found::None {
            directory: self.directory.clone(),
        }
    }

    /// What by its name may be a card, in the order of the names. A directory that
    /// cannot be listed has none.
    fn files(&self) -> Vec<PathBuf> {
        let is_named = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("card-") && name.ends_with(".json"))
        };
        let entries = fs::read_dir(&self.directory).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<PathBuf> = paths.filter(is_named).collect();
        files.sort();
        files
    }

    fn read(&self, path: &Path) -> Read {
        let bytes = match files::read(path, self.user) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Read::Nothing,
            Err(error) => return Read::Failed(error.to_string()),
        };
        match report::parse(bytes.as_slice()) {
            Ok(Stored::Run(document)) if (self.is_card)(&document) => Read::Card(document),
            Ok(_) => Read::Failed("it holds no card".to_owned()),
            Err(ReportError::SchemaVersion { found, known }) => Read::OtherSchema { found, known },
            Err(error) => Read::Failed(error.to_string()),
        }
    }
}

/// What a file turned out to be.
enum Read {
    /// There is none.
    Nothing,
    /// A card.
    Card(Box<Document>),
    /// A document that this program cannot read.
    OtherSchema { found: u64, known: u32 },
    /// Anything else.
    Failed(String),
}
