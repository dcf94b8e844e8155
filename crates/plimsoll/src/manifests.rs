//! Files, folders and the standard input to documents.

use anyhow::{Context as _, bail};
use plimsoll_observe::manifest::{self, Document, ManifestError, SIZE_MAX};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

/// Most files of one run, and how deep folders may lie.
const FILES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 64;

/// A file that was read.
pub struct File {
    /// As the user named it, or below what the user named; `-` is the standard input.
    pub name: String,
    /// Where it is; none: it is the standard input.
    pub path: Option<PathBuf>,
    /// Its objects.
    pub documents: Vec<Document>,
    /// What could not be read of it.
    pub errors: Vec<ManifestError>,
}

/// Reads all that is named, in order; of a folder the files with manifests' endings, in order of name.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes).context("cannot read the standard input")?;
            files.push(parse(None, &bytes, true));
            continue;
        }
        let meta = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if meta.is_dir() {
            let mut found = Vec::new();
            list(path, 0, &mut found)?;
            if found.is_empty() {
                bail!("{} has no file that ends in .yaml, .yml or .json", path.display());
            }
            found.sort();
            for path in found {
                let bytes = bytes(&path)?;
                files.push(parse(Some(path), &bytes, false));
            }
        } else {
            files.push(parse(Some(path.clone()), &bytes(path)?, true));
        }
    }
    Ok(files)
}

/// At most one byte more than is allowed: so much tells that there are too many.
fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

/// The manifests of a folder and of those below it. Hidden ones and links are passed over.
fn list(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if depth > DEPTH_MAX {
        bail!("{}: folders lie deeper than {DEPTH_MAX} in each other", folder.display());
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))? {
        let entry = entry.with_context(|| format!("cannot read the folder {}", folder.display()))?;
        let kind = entry.file_type().with_context(|| format!("cannot read {}", entry.path().display()))?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        if kind.is_dir() {
            list(&path, depth + 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json") {
            if found.len() >= FILES_MAX {
                bail!("there are more than {FILES_MAX} files: check them in parts");
            }
            found.push(path);
        }
    }
    Ok(())
}

/// In a folder there are other files than manifests (values, schemas): what is no object is only wrong where it was named.
fn parse(path: Option<PathBuf>, bytes: &[u8], is_named: bool) -> File {
    let name = path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
    let Ok(text) = std::str::from_utf8(bytes) else {
        let why = "it is not UTF-8 text".to_owned();
        return File { name, path, documents: Vec::new(), errors: vec![ManifestError::Syntax { line: 1, from: 1, form: "YAML", why }] };
    };
    let (documents, mut errors) = manifest::read(text);
    if !is_named {
        errors.retain(|error| !matches!(error, ManifestError::NoObject { .. }));
    }
    if text.contains("{{") {
        for error in &mut errors {
            if let ManifestError::Syntax { why, .. } = error {
                why.push_str(". It looks like a template of a chart: helm template NAME CHART | plimsoll check -");
            }
        }
    }
    File { name, path, documents, errors }
}
