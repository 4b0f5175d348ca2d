//! What kind of file an object is, as far as this version serves it.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! content_types {
    ($($name:ident $mime:literal $ext:literal $doc:literal)*) => {
        /// A content type of the closed list that a gateway may send.
        ///
        /// A document can name any type; one outside the list is read as [`ContentType::Bytes`], so that a
        /// manifest cannot make a gateway serve a web page or script under its own origin.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "&'static str")]
        pub enum ContentType {
            $(#[doc = $doc] $name,)*
            /// Anything else.
            Bytes,
        }

        impl ContentType {
            /// Every listed type.
            pub const ALL: &'static [Self] = &[$(Self::$name,)* Self::Bytes];

            /// As in a `Content-Type` header.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $mime,)*
                    Self::Bytes => "application/octet-stream",
                }
            }

            /// File name ending that plain web servers map to this type.
            pub fn extension(self) -> &'static str {
                match self {
                    $(Self::$name => $ext,)*
                    Self::Bytes => "bin",
                }
            }
        }
    };
}

content_types! {
    Mp3 "audio/mpeg" "mp3" "MPEG audio."
    AudioMp4 "audio/mp4" "m4a" "Audio in ISO base media, fragmented or not."
    Aac "audio/aac" "aac" "AAC in ADTS frames."
    Flac "audio/flac" "flac" "Native FLAC."
    Ogg "audio/ogg" "ogg" "Vorbis or Opus in Ogg."
    Wav "audio/wav" "wav" "PCM in RIFF."
    VideoMp4 "video/mp4" "mp4" "Video in ISO base media, fragmented or not."
    Segment "video/iso.segment" "m4s" "A piece of fragmented ISO base media."
    TransportStream "video/mp2t" "ts" "MPEG transport stream."
    WebM "video/webm" "webm" "Matroska for browsers."
    Hls "application/vnd.apple.mpegurl" "m3u8" "HLS playlist."
    WebVtt "text/vtt" "vtt" "Subtitles or chapters."
    Jpeg "image/jpeg" "jpg" "Picture."
    Png "image/png" "png" "Picture."
    WebP "image/webp" "webp" "Picture."
    Json "application/json" "json" "Pages and indices."
}

impl ContentType {
    /// The type that a file name's ending stands for; nothing for one that is not known.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jpeg" => Some(Self::Jpeg),
            "oga" | "opus" => Some(Self::Ogg),
            "wave" => Some(Self::Wav),
            "m3u" => Some(Self::Hls),
            "m4v" | "cmfv" => Some(Self::VideoMp4),
            "cmfa" => Some(Self::AudioMp4),
            other => Self::ALL.iter().copied().find(|t| *t != Self::Bytes && t.extension() == other),
        }
    }
}

impl From<String> for ContentType {
    fn from(text: String) -> Self {
        Self::ALL.iter().copied().find(|t| t.as_str() == text).unwrap_or(Self::Bytes)
    }
}

impl From<ContentType> for &'static str {
    fn from(kind: ContentType) -> Self {
        kind.as_str()
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back_and_active_ones_turn_into_bytes() {
        for kind in ContentType::ALL {
            assert_eq!(ContentType::from(kind.as_str().to_owned()), *kind);
        }
        for active in ["text/html", "image/svg+xml", "text/javascript", "video/mp4; x=1", ""] {
            assert_eq!(ContentType::from(active.to_owned()), ContentType::Bytes);
        }
    }

    #[test]
    fn endings_are_known_in_any_case() {
        assert_eq!(ContentType::of_extension("OPUS"), Some(ContentType::Ogg));
        assert_eq!(ContentType::of_extension("m4s"), Some(ContentType::Segment));
        assert_eq!(ContentType::of_extension("bin"), None);
        assert_eq!(ContentType::of_extension("html"), None);
    }
}
