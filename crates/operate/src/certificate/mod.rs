//! The webhook's certificate: made, rotated, and its authority told to the API server, without another component.
//!
//! - [`made`]: an authority and a leaf, and when they are to be made anew; pure but for drawing keys
//! - [`keeper`]: the Secret that all replicas share, and the CA bundles of the configurations
//! - [`Served`]: the certificate in use; it changes without a connection being lost

pub mod keeper;
pub mod made;

pub use keeper::{Keeper, Own};
pub use made::{Life, Made};

use arc_swap::ArcSwapOption;
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Why a certificate cannot be used, or could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificate or the key is no PEM of that.
    #[error("the {what} cannot be read as PEM: {why}")]
    Pem {
        /// `certificate` or `key`.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The key is of a kind that is not known, or none of this certificate's.
    #[error("the key cannot be used with the certificate: {0}")]
    Key(String),
    /// A certificate or a key could not be made.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The API server refused to read or write the Secret or a configuration.
    #[error("{what} could not be read or written")]
    Api {
        /// The object.
        what: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A file could not be read.
    #[error("{file} could not be read")]
    File {
        /// Its name.
        file: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The certificate in use.
#[derive(Debug, Default)]
pub struct Served {
    current: ArcSwapOption<CertifiedKey>,
    /// From when until when it holds, Unix seconds; zero: there is none.
    begins: AtomicI64,
    ends: AtomicI64,
}

impl Served {
    /// Uses this certificate from the next handshake on.
    ///
    /// # Errors
    /// [`CertificateError::Pem`], [`CertificateError::Key`]: the one before stays.
    pub fn set(&self, certificate: &str, key: &str) -> Result<(), CertificateError> {
        let pem = |what| move |error: rustls::pki_types::pem::Error| CertificateError::Pem { what, why: error.to_string() };
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>().map_err(pem("certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(pem("key"))?;
        let Some(leaf) = chain.first() else {
            return Err(CertificateError::Pem { what: "certificate", why: "there is none in it".to_owned() });
        };
        let validity = made::validity(leaf).unwrap_or_default();
        let key = any_supported_type(&key).map_err(|error| CertificateError::Key(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|error| CertificateError::Key(error.to_string()))?;
        self.current.store(Some(Arc::new(certified)));
        self.begins.store(validity.start, Ordering::Release);
        self.ends.store(validity.end, Ordering::Release);
        Ok(())
    }

    /// When it ends, Unix seconds; none: there is none yet.
    #[must_use]
    pub fn ends(&self) -> Option<i64> {
        Some(self.ends.load(Ordering::Acquire)).filter(|ends| *ends > 0)
    }

    /// Is there one, and does it hold at `now` (Unix seconds)?
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        self.ends().is_some_and(|ends| now < ends) && self.begins.load(Ordering::Acquire) <= now
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load_full()
    }
}
