//! The programs of the control plane and its partners, built once from pinned Go modules and kept in the user's cache folder.
//!
//! Those of the control plane are built together ([`Programs::ready`]), a partner when a test asks for it ([`helm`], [`kyverno`]).
//! The modules lie in `control-plane/`, one `go.mod` a tool (a shared one would drag their versions together), with a program of ours
//! beside where a tool's own is too slow. Nothing is
//! downloaded by hand: the go command fetches and verifies by `go.sum`.

use crate::word::{say, skip_without};
use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// A Go module that gives programs.
struct Module {
    name: &'static str,
    /// Programs and the packages that they are built from.
    programs: &'static [(&'static str, &'static str)],
    /// Files of a module's source that are kept beside the programs: the module and the folder in it.
    files: Option<(&'static str, &'static str)>,
}

const MODULES: [Module; 3] = [
    Module { name: "etcd", programs: &[("etcd", "go.etcd.io/etcd/server/v3")], files: None },
    Module {
        name: "kubernetes",
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ],
        files: None,
    },
    Module { name: "kwok", programs: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")], files: Some(("sigs.k8s.io/kwok", "kustomize/stage")) },
];

/// What renders and lints charts.
const HELM: Module = Module { name: "helm", programs: &[("helm", "helm.sh/helm/v4/cmd/helm")], files: None };

/// What judges policies without a cluster: Kyverno's own program, and its engine in one of ours.
const KYVERNO: Module = Module {
    name: "kyverno",
    programs: &[("kyverno", "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno"), (KYVERNO_JUDGE, "./judge")],
    files: None,
};

const KYVERNO_JUDGE: &str = "judge";

/// Helm's program; `None`, after saying why, where there is no Go to build it.
///
/// # Errors
/// The build failed.
pub async fn helm() -> anyhow::Result<Option<PathBuf>> {
    partner(&HELM, "helm").await
}

/// Kyverno's command-line program; `None`, after saying why, where there is no Go to build it.
///
/// # Errors
/// The build failed.
pub async fn kyverno() -> anyhow::Result<Option<PathBuf>> {
    partner(&KYVERNO, "kyverno").await
}

/// A program of ours around Kyverno's engine, which compiles policies once for any number of objects (`control-plane/kyverno/judge`);
/// `None`, after saying why, where there is no Go to build it.
///
/// # Errors
/// The build failed.
pub async fn kyverno_judge() -> anyhow::Result<Option<PathBuf>> {
    partner(&KYVERNO, KYVERNO_JUDGE).await
}

async fn partner(module: &'static Module, program: &str) -> anyhow::Result<Option<PathBuf>> {
    let folders = tokio::task::spawn_blocking(|| ready([module])).await.context("the build was stopped")??;
    Ok(folders.map(|[folder]| folder.join("bin").join(program)))
}

/// The folders of `modules`, each built if it has not been; `None`, after saying why, where there is no Go to build them.
fn ready<const N: usize>(modules: [&Module; N]) -> anyhow::Result<Option<[PathBuf; N]>> {
    let cache = cache_folder("control-plane")?;
    let mut folders = std::array::from_fn(|_| PathBuf::new());
    let mut built = false;
    for (module, folder) in modules.into_iter().zip(&mut folders) {
        *folder = module.folder(&cache)?;
        if folder.is_dir() {
            continue;
        }
        if let Some(why) = module.lacks_go()? {
            skip_without(&format!("{} cannot be built: {why}", module.name));
            return Ok(None);
        }
        built |= module.build(&cache, folder)?;
    }
    if built && std::env::var("CI").is_ok_and(|ci| ci == "true") {
        // Some 10 GB that nobody needs again once the last module has been built. Before that the next build would be a cold one, or
        // one that is under way would lose what it stands on.
        let whole = MODULES.iter().chain([&HELM, &KYVERNO]).map(|module| Ok(module.folder(&cache)?.is_dir()));
        if whole.collect::<anyhow::Result<Vec<bool>>>()?.into_iter().all(|there| there) {
            let _ = Command::new("go").args(["clean", "-cache"]).status();
        }
    }
    Ok(Some(folders))
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    folders: [PathBuf; 3],
}

impl Programs {
    /// All of them, built if they have not been; `None`, after saying why, where there is no Go to build them.
    ///
    /// The first build takes some minutes. Processes that ask at the same time wait for the one that builds.
    ///
    /// # Errors
    /// The build failed.
    pub async fn ready() -> anyhow::Result<Option<Self>> {
        let folders = tokio::task::spawn_blocking(|| ready(MODULES.each_ref())).await.context("the build was stopped")??;
        Ok(folders.map(|folders| Self { folders }))
    }

    /// etcd.
    #[must_use]
    pub fn etcd(&self) -> PathBuf {
        self.folders[0].join("bin/etcd")
    }

    /// A program of Kubernetes: `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `kubectl`.
    #[must_use]
    pub fn kubernetes(&self, name: &str) -> PathBuf {
        self.folders[1].join("bin").join(name)
    }

    /// kwok, which plays the kubelets.
    #[must_use]
    pub fn kwok(&self) -> PathBuf {
        self.folders[2].join("bin/kwok")
    }

    /// A stage that kwok ships: `pod/fast/pod-ready.yaml`.
    #[must_use]
    pub fn stage(&self, name: &str) -> PathBuf {
        self.folders[2].join("files").join(name)
    }
}

impl Module {
    fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("control-plane").join(self.name)
    }

    /// Where what is built from exactly these versions with exactly these flags belongs.
    fn folder(&self, cache: &Path) -> anyhow::Result<PathBuf> {
        let mut hash = Sha256::new();
        let own = self.programs.iter().filter_map(|(_, package)| Some(format!("{}/main.go", package.strip_prefix("./")?)));
        for file in ["go.mod", "go.sum"].map(str::to_owned).into_iter().chain(own) {
            let path = self.source().join(file);
            hash.update(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
        hash.update(self.flags()?.join(" "));
        hash.update(format!("{:?} {:?} {}", self.programs, self.files, std::env::consts::ARCH));
        let key: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(cache.join(format!("{}-{key}", self.name)))
    }

    fn flags(&self) -> anyhow::Result<Vec<String>> {
        let mut link = "-s -w".to_owned();
        if self.name == "kubernetes" {
            // Without these the API server calls itself v0.0.0-master.
            let version = self.required("k8s.io/kubernetes")?;
            let mut parts = version.trim_start_matches('v').split('.');
            let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let x = "-X k8s.io/component-base/version";
            link += &format!(" {x}.gitVersion={version} {x}.gitMajor={major} {x}.gitMinor={minor}");
        }
        if self.name == "helm" {
            // Without it helm calls itself v4.2, and a chart's manifests carry no patch version.
            let version = self.required("helm.sh/helm/v4")?;
            link += &format!(" -X helm.sh/helm/v4/internal/version.version={version}");
        }
        Ok(["-trimpath", "-p", "2", "-ldflags", &link].map(str::to_owned).to_vec())
    }

    /// The version of `module` that this module pins.
    fn required(&self, module: &str) -> anyhow::Result<String> {
        let path = self.source().join("go.mod");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.lines()
            .filter(|line| !line.contains("=>"))
            .find_map(|line| {
                let mut words = line.trim().trim_start_matches("require ").split_whitespace();
                (words.next()? == module).then(|| words.next().map(str::to_owned))?
            })
            .with_context(|| format!("{} does not require {module}", path.display()))
    }

    /// Builds into a folder beside, then renames: half a build is never taken for a whole one. True: it was this process.
    fn build(&self, cache: &Path, folder: &Path) -> anyhow::Result<bool> {
        let lock_path = cache.join(format!("{}.lock", self.name));
        let lock = File::create(&lock_path).with_context(|| format!("cannot create {}", lock_path.display()))?;
        lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;
        if folder.is_dir() {
            return Ok(false);
        }
        let names: Vec<&str> = self.programs.iter().map(|(name, _)| *name).collect();
        say(&format!("building {} (once; some minutes where Go's cache is cold)", names.join(", ")));
        let start = Instant::now();
        let half = tempfile::tempdir_in(cache).context("cannot create a folder to build in")?;
        for (name, package) in self.programs {
            let mut go = self.go(&["build"]);
            go.args(self.flags()?).arg("-o").arg(half.path().join("bin").join(name)).arg(package);
            let output = go.output().context("cannot run go")?;
            ensure!(output.status.success(), "go build {package} failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        if let Some((module, inside)) = self.files {
            let output = self.go(&["list", "-m", "-f", "{{.Dir}}", module]).output().context("cannot run go")?;
            let source = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            ensure!(output.status.success() && source.is_dir(), "go list {module} failed:\n{}", String::from_utf8_lossy(&output.stderr));
            copy(&source.join(inside), &half.path().join("files"))?;
        }
        fs::rename(half.path(), folder).with_context(|| format!("cannot move the programs to {}", folder.display()))?;
        say(&format!("built {} in {:.0} s", names.join(", "), start.elapsed().as_secs_f64()));
        Ok(true)
    }

    /// Why there is no Go to build it (the `go` line of its `go.mod` says which are new enough); none: there is.
    fn lacks_go(&self) -> anyhow::Result<Option<String>> {
        let path = self.source().join("go.mod");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let oldest = text.lines().find_map(|line| go_version(line.strip_prefix("go ")?));
        let [major, minor, patch] = oldest.with_context(|| format!("{} has no go line", path.display()))?;
        let wanted = format!("Go {major}.{minor}.{patch} or newer is needed (https://go.dev/dl)");
        let output = Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
        let Ok(output) = output else { return Ok(Some(format!("there is no go command on PATH; {wanted}"))) };
        let found = String::from_utf8_lossy(&output.stdout);
        let enough = go_version(&found).is_some_and(|found| found >= [major, minor, patch]);
        Ok((!enough).then(|| format!("the go command is {}; {wanted}", found.trim())))
    }

    fn go(&self, arguments: &[&str]) -> Command {
        let mut go = Command::new("go");
        go.args(arguments).current_dir(self.source()).env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0").env_remove("GOWORK");
        go
    }
}

/// Copies the YAML files of a folder and of the folders in it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            // Read and written, not copied: files of Go's module cache are read-only, and a copy would be too.
            let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            fs::write(&target, text).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}

/// A folder of ours in the user's cache folder.
pub(crate) fn cache_folder(name: &str) -> anyhow::Result<PathBuf> {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => Path::new(&home).join(".cache"),
        _ => bail!("neither XDG_CACHE_HOME nor HOME is set: there is no place to keep built programs"),
    };
    let folder = base.join("plimsoll").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// The first three numbers of a version of Go: `go1.26.8`, `1.26.0`, `go1.27rc1`.
fn go_version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.trim().trim_start_matches("go").split(['.', 'r', 'b', '-']).map_while(|part| part.parse::<u32>().ok());
    Some([parts.next()?, parts.next()?, parts.next().unwrap_or_default()])
}
