//! A packaged folder as a title to publish.

use std::fs;
use std::path::Path;

use nearcast_content::manifest::{About, DocumentRole, MediaKind, Protection, Role};
use nearcast_content::{ContentType, Text, WebUrl};

use super::super::audio;
use super::super::ffmpeg::Ffmpeg;
use super::super::hls::{self, HlsError};
use super::super::plan::{self, Bytes, FileName, Picture, Plan, PlannedFile, Shape};
use super::probe;
use super::sheet::Sheet;

/// The plan of the packaged `folder` that was made of `input`, and what was left out of it. What tags were read
/// of `input` already counts more than what ffprobe read.
pub(in super::super) fn plan(
    folder: &Path,
    input: &Path,
    known: Option<(About, Option<Picture>)>,
) -> Result<(Plan, Vec<String>), HlsError> {
    let sheet = Sheet::read(folder).unwrap_or_default();
    let mut plan = hls::plan(&folder.join(hls::MASTER))?;
    for file in &mut plan.files {
        if let Bytes::File(path) = &file.from {
            file.from = Bytes::Ours(path.clone());
        }
    }
    if let Some(chapters) = &sheet.chapters {
        plan.documents.push((DocumentRole::Chapters, plan.files.len()));
        plan.files.push(PlannedFile {
            from: Bytes::Ours(folder.join(chapters)),
            to: FileName::Fixed(chapters.parse().expect("a plain name")),
            content_type: ContentType::WebVtt,
        });
    }
    let (about, picture) =
        known.map_or_else(|| (about(&sheet, input), None), |(about, picture)| (about, picture));
    let own = |name: &Option<String>| audio::picture(fs::read(folder.join(name.as_ref()?)).ok()?);
    let beside = audio::picture_beside(input).or(picture).or_else(|| own(&sheet.cover));
    let shared = || input.parent().and_then(audio::folder_picture);
    plan.art = beside.or_else(shared).or_else(|| own(&sheet.still));
    plan.wish = plan::wish(about.artist.as_ref(), &about.name, input);
    plan.about = about;
    input.clone_into(&mut plan.input);
    plan.package = folder.file_name().map(|n| n.to_string_lossy().into_owned());
    Ok((plan, sheet.notes))
}

/// The plan of a file of media that stays on its server. ffprobe reads from there what it needs to know.
pub(in super::super) fn file_elsewhere(url: &WebUrl, ffmpeg: &Ffmpeg) -> Result<Plan, String> {
    let json = ffmpeg.probe_web(url).map_err(|why| why.to_string())?;
    let probe = probe::read(&json).map_err(|why| why.to_string())?;
    let sheet = Sheet::of(&probe);
    if probe.video.is_none() && probe.sounds.is_empty() || sheet.duration_ms == 0 {
        return Err("holds neither sound nor picture of a known length".to_owned());
    }
    let ending = url.path().rsplit_once('.').map_or("", |(_, ending)| ending);
    let content_type = ContentType::of_extension(ending);
    let content_type = content_type.ok_or("is in no format that browsers play; publish it from a file")?;
    let named = hls::elsewhere::name_of(url);
    let about = about(&sheet, Path::new(named.as_ref().map_or("Untitled", Text::as_str)));
    let role = match (&probe.video, probe.sounds.as_slice()) {
        (None, _) => Role::Audio,
        (Some(_), []) => Role::Video,
        (Some(_), _) => Role::Muxed,
    };
    Ok(Plan {
        input: url.as_str().into(),
        wish: plan::wish(about.artist.as_ref(), &about.name, Path::new("title")),
        about,
        art: None,
        protection: Protection::None,
        files: vec![PlannedFile {
            from: Bytes::Elsewhere(url.clone()),
            to: FileName::Fixed("elsewhere/file".parse().expect("a plain name")),
            content_type,
        }],
        shape: Shape::Whole { role, codecs: None, duration_ms: sheet.duration_ms },
        documents: Vec::new(),
        original: None,
        package: None,
    })
}

fn about(sheet: &Sheet, input: &Path) -> About {
    let text = |t: &Option<String>| t.as_deref().and_then(Text::clean);
    let stem = input.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = text(&sheet.name).or_else(|| Text::clean(&stem));
    About {
        name: name.unwrap_or_else(|| Text::clean("Untitled").expect("plain letters")),
        artist: text(&sheet.artist),
        album: text(&sheet.album),
        track: sheet.track,
        disc: sheet.disc,
        year: sheet.year,
        media: if sheet.sound_only { MediaKind::Music } else { MediaKind::Video },
    }
}
