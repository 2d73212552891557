//! The disk is full: who is in stays in, readiness says so, and nothing that was promised is lost.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::audit_log::{exported, verified};
use crate::house::{House, OPEN, eventually};

/// A file system of a few megabytes, gone with its value.
struct SmallDisk {
    folder: PathBuf,
    _parent: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one; nothing when this machine does not let us.
    fn mount() -> Option<Self> {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let folder = parent.path().join("disk");
        std::fs::create_dir(&folder).expect("the folder is writable");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]).arg(&folder).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self { folder, _parent: parent })
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.folder.join("filler")).expect("a file can be made");
        for size in [65536, 4096, 512, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room again.
    fn empty(&self) {
        std::fs::remove_file(self.folder.join("filler")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

#[tokio::test]
async fn people_stay_in_and_log_in_again_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: mounting a small file system needs root");
        return;
    };
    let mut house = House::plan(OPEN).data(&disk.folder.join("data")).start().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    disk.fill();

    // Whatever the store can still take, it is honest about the rest.
    let mut promised = Vec::new();
    for n in 0..40 {
        let email = ["bob@example.com", "eve@example.com", "zoe@example.com"][n % 3];
        let person = house.browser("orders.test");
        let answer = person.post("/.access/login", &[("email", email), ("to", "/")]).await;
        assert!(matches!(answer.status, 303 | 429 | 503), "{}", answer.status);
        if answer.status == 303 && !promised.contains(&email) {
            promised.push(email);
        }
        ann.fetch("/").await.expect(200);
    }
    eventually("readiness shows it", async || (house.admin("/readyz").await.status == 503).then_some(())).await;
    assert!(house.runs());
    house.admin("/healthz").await.expect(200);

    disk.empty();
    for email in promised {
        house.mail.wait(email).await;
    }
    eventually("it is well again", async || (house.admin("/readyz").await.status == 200).then_some(())).await;
    house.kill9();
    house.start_again().await;
    ann.fetch("/").await.expect(200);
    house.browser("orders.test").log_in("cat@example.com").await;
}

#[tokio::test]
async fn nothing_is_acknowledged_that_the_audit_log_has_no_room_for() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: mounting a small file system needs root");
        return;
    };
    let house = House::plan(OPEN).data(&disk.folder.join("data")).start().await;
    let (ann, bob) = (house.browser("orders.test"), house.browser("orders.test"));
    ann.log_in("ann@example.com").await;
    bob.log_in("bob@example.com").await;
    let make = async |email: &str| {
        let record =
            json!({ "app": "orders", "customer": "42", "email": email, "role": "user", "without_invitation": true });
        house.api("POST", "/api/v1/records", &record.to_string()).await
    };
    disk.fill();
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for number in 0..400 {
        let email = format!("new{number}@example.com");
        let answer = make(&email).await;
        match answer.status {
            200 => acknowledged.push(email),
            _ => {
                assert_eq!(answer.expect(503).json()["code"], "unavailable");
                refused += 1;
            }
        }
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "{} were taken", acknowledged.len());
    // Whoever logs out is told so only if the log has it; until then they are asked to try again.
    bob.post("/.access/logout", &[]).await.expect(503);
    eventually("readiness shows it", async || (house.admin("/readyz").await.status == 503).then_some(())).await;
    // A reload changes nothing in the store but the log.
    house.api("POST", "/api/v1/reload", "").await.expect(503);
    let why = |line: &serde_json::Value| {
        let told = line["fields"].to_string();
        told.contains("the audit log cannot be stored") && told.contains("disk is full")
    };
    eventually("the lines say why", async || house.log.events().iter().any(why).then_some(())).await;
    ann.fetch("/").await.expect(200);

    disk.empty();
    eventually("it is well again", async || (house.admin("/readyz").await.status == 200).then_some(())).await;
    eventually("changes are taken again", async || (make("last@example.com").await.status == 200).then_some(())).await;
    acknowledged.push("last@example.com".to_owned());
    eventually("he is out", async || (bob.post("/.access/logout", &[]).await.status != 503).then_some(())).await;
    let made = exported(&house, &["--event", "record_made"]);
    let made: Vec<&str> = made.iter().filter_map(|entry| entry["subject"]["email"].as_str()).collect();
    for email in &acknowledged {
        assert_eq!(made.iter().filter(|made| *made == email).count(), 1, "{email}");
    }
    assert_eq!(exported(&house, &["--event", "logged_out"]).len(), 1, "once, however often he tried");
    assert!(verified(&house).starts_with("0: whole: "), "{}", verified(&house));
}
